/** Candidates: the forms of a version on the execution providers that may run them. */
import type { ExecutionProvider } from '../contract/names.ts'
import type { PlanDeployment, PlanVariant } from '../contract/plan.ts'

export interface Candidate {
  readonly variant: PlanVariant
  readonly provider: ExecutionProvider
  /** In words, such as `wasm`; with the variant where the version has several: `webgpu fp16`. */
  readonly name: string
}

/** What this host lacks for a candidate, in words, as far as that is known before its files are there. */
export type Lacks = (candidate: Candidate) => string | undefined

/** By provider as they are preferred, then as the version lists its variants. */
export function candidatesOf(
  { variants }: Pick<PlanDeployment, 'variants'>,
  providers: readonly ExecutionProvider[],
): Candidate[] {
  return providers.flatMap((provider) =>
    variants
      .filter((variant) => variant.providers.includes(provider))
      .map((variant) => ({ variant, provider, name: variants.length > 1 ? `${provider} ${variant.id}` : provider })),
  )
}

/** As {@link Lacks}: WebGPU, or its 16-bit floats for variants in half precision. */
export function webGpuLack(
  gpu: { absent: string } | { name: string; hasShaderF16: boolean },
  { variant, provider }: Candidate,
): string | undefined {
  if (provider !== 'webgpu') return undefined
  if ('absent' in gpu) return gpu.absent
  return isHalf(variant) && !gpu.hasShaderF16 ? `the WebGPU adapter (${gpu.name}) has no shader-f16` : undefined
}

// The id says so: `onnx/describe.ts` names a variant by what most of its weights are, and whoever writes a description
// does as it does. Where one hides it, that costs a download: shaders that do not compile and outputs that differ are
// refused by the evidence.
function isHalf({ id }: PlanVariant): boolean {
  return id.startsWith('fp16')
}
