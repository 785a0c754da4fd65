/** Numbers from a seed: the same on every host. */
import { createTensor, elementCount, type Tensor } from '../../runtime/tensor/tensor.ts'

/** Park and Miller's generator, from -size to size. */
export function makeNumbers(seed: number, length: number, size: number): Float32Array<ArrayBuffer> {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (state * 48_271) % 2_147_483_647
    return ((state / 2_147_483_647) * 2 - 1) * size
  })
}

export function makeWeights(seed: number, shape: readonly number[], size = 0.1): Tensor {
  return createTensor('FP32', shape, makeNumbers(seed, elementCount(shape), size))
}
