/** A compiled module for ONNX Runtime, which takes the bytes of its WebAssembly alone. */

interface Instantiating {
  instantiate(source: object, imports?: object): Promise<object>
}

/**
 * @param module - a `WebAssembly.Module`
 * @returns bytes that stand for it: `WebAssembly.instantiate` knows them from then on
 */
export function standIn(module: object): ArrayBuffer {
  const stand = new ArrayBuffer(8)
  const { WebAssembly } = globalThis as unknown as { WebAssembly: Instantiating }
  const instantiate = WebAssembly.instantiate
  WebAssembly.instantiate = async (source, imports) => {
    if (!ArrayBuffer.isView(source) || source.buffer !== stand) return await instantiate(source, imports)
    return { module, instance: await instantiate(module, imports) }
  }
  return stand
}
