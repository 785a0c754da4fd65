/** The operator domains that ONNX Runtime 1.30 has, with the newest opset of each (its `DomainToVersionRange`). */

export const onnxDomain = 'ai.onnx'

/** IR version that ONNX Runtime 1.30 still reads. */
export const newestIrVersion = 13

export const newestOpsets: Readonly<Record<string, number>> = {
  [onnxDomain]: 26,
  'ai.onnx.ml': 5,
  'ai.onnx.training': 1,
  'ai.onnx.preview': 1,
  'ai.onnx.preview.training': 1,
  'com.microsoft': 1,
  'com.microsoft.nchwc': 1,
  'com.ms.internal.nhwc': 26,
}

/** ONNX writes its own domain as the empty text or by its name. */
export function domainName(domain = ''): string {
  return domain === '' ? onnxDomain : domain
}
