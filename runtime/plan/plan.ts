/** Verifying a signed Plan and deciding whether a host may adopt it (design, section 9, "Plan's life"). */
import { compactVerify, errors, importJWK } from 'jose'
import { type Plan, type PlanDeployment, plan as planSchema } from '../contract/plan.ts'
import { SelvedgeError } from '../errors.ts'

/**
 * The Plan inside a JWS, once one of the pinned keys made the signature.
 *
 * Every pinned key is tried: nothing in the header, which its sender chose, selects a key or an algorithm.
 *
 * @param keys - `ed25519:` and the 32 raw bytes in base64url
 * @throws {@link SelvedgeError} `PLAN_SIGNATURE`, `PLAN_INVALID` where the signed text is no Plan, `INSECURE_CONTEXT`
 * where the page has no WebCrypto, `NO_ED25519` where WebCrypto lacks the algorithm
 */
export async function verifyPlan(jws: string, keys: readonly string[]): Promise<Plan> {
  if (crypto.subtle === undefined) {
    throw new SelvedgeError('INSECURE_CONTEXT', 'this page has no WebCrypto, so a plan cannot be verified')
  }
  for (const key of keys) {
    const payload = await signedPayload(jws, key)
    if (payload !== undefined) return parsePlan(payload)
  }
  throw new SelvedgeError('PLAN_SIGNATURE', `the plan is not signed by any of the ${keys.length} pinned keys`)
}

/**
 * Refuses a plan that must not replace the one held: another endpoint's, an older revision, an expired one.
 *
 * @throws {@link SelvedgeError} `PLAN_INVALID`, `PLAN_REVISION_OLD`, `PLAN_EXPIRED`
 */
export function checkAdoptable(plan: Plan, endpoint: string, held: Plan | undefined, now: number): void {
  checkEndpoint(plan, endpoint)
  if (held !== undefined && isOlder(plan, held)) {
    throw new SelvedgeError('PLAN_REVISION_OLD', `plan revision ${plan.revision} is older than ${held.revision}`)
  }
  if (isExpired(plan, now)) throw new SelvedgeError('PLAN_EXPIRED', `the plan expired at ${plan.expiresAt}`)
}

/** @throws {@link SelvedgeError} `PLAN_INVALID` where the plan is for another endpoint */
export function checkEndpoint(plan: Plan, endpoint: string): void {
  if (plan.endpoint === endpoint) return
  throw new SelvedgeError('PLAN_INVALID', `the plan is for endpoint ${plan.endpoint}, want ${endpoint}`)
}

/** Whether two deployments serve the same bytes, run in the same way and counted against the same spec, under whatever name. */
export function isSameVersion(a: PlanDeployment, b: PlanDeployment): boolean {
  const isSame = a.model === b.model && a.version === b.version && a.manifest === b.manifest && a.spec === b.spec
  return isSame && runKey(a) === runKey(b)
}

// Memory and processes are the host's affair: a session need not be opened anew for them.
function runKey({ resources: { threads, batchRows, batchDelayMs } = {} }: PlanDeployment): string {
  return [threads, batchRows, batchDelayMs].join()
}

/** Whether a deployment is a step of an ensemble, which takes no requests of its own. */
export function isStep(deployment: string): boolean {
  return deployment.includes('/')
}

/** What takes requests: versions and ensembles. */
export function answeringIn({
  deployments,
  ensembles = [],
}: Plan): Pick<PlanDeployment, 'name' | 'version' | 'resources'>[] {
  return [...deployments.filter(({ name }) => !isStep(name)), ...ensembles]
}

/** The plan with some of its deployments alone, and all steps of an ensemble that has one of them. */
export function planWith(plan: Plan, some: readonly PlanDeployment[]): Plan {
  const isSome = (name: string) => some.some((each) => each.name === name)
  const ensembles = plan.ensembles?.filter(({ steps }) => steps.some(({ deployment }) => isSome(deployment))) ?? []
  const steps = new Set(ensembles.flatMap((each) => each.steps.map(({ deployment }) => deployment)))
  const deployments = plan.deployments.filter(({ name }) => isSome(name) || steps.has(name))
  return { ...plan, deployments, ensembles }
}

/** An expired plan is served on by the host that holds it and reported as stale; it is never adopted. */
export function isExpired(plan: Plan, now: number): boolean {
  return now >= Date.parse(plan.expiresAt)
}

function isOlder(plan: Plan, held: Plan): boolean {
  if (plan.revision !== held.revision) return plan.revision < held.revision
  return Date.parse(plan.issuedAt) < Date.parse(held.issuedAt)
}

async function signedPayload(jws: string, key: string): Promise<Uint8Array | undefined> {
  const raw = /^ed25519:([A-Za-z0-9_-]{43})$/.exec(key)?.[1]
  if (raw === undefined)
    throw new SelvedgeError('PLAN_SIGNATURE', 'a pinned key is not of the form ed25519:<43 characters>')
  const publicKey = await importKey(raw)
  try {
    return (await compactVerify(jws, publicKey, { algorithms: ['Ed25519'] })).payload
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

async function importKey(raw: string) {
  try {
    return await importJWK({ kty: 'OKP', crv: 'Ed25519', alg: 'Ed25519', x: raw }, 'Ed25519')
  } catch (cause) {
    throw new SelvedgeError('NO_ED25519', 'this WebCrypto has no Ed25519, so a plan cannot be verified', {}, { cause })
  }
}

function parsePlan(payload: Uint8Array): Plan {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(payload))
  } catch (cause) {
    throw new SelvedgeError('PLAN_INVALID', 'the signed text is not JSON', {}, { cause })
  }
  const parsed = planSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SelvedgeError('PLAN_INVALID', `plan field ${issue?.path.join('.') || '(root)'}: ${issue?.message}`)
}
