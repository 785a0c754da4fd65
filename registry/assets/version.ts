/** The ONNX Runtime that this Selvedge is built with; it names the folder of its files, which therefore never change. */
export const ortVersion = '1.30.0'
