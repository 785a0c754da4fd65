/** Whether a caller is of an endpoint's audience: by its attributes, and by its place in a namespace. */
import type { Attributes, Audience, Condition } from '../contract/audience.ts'
import type { Scheme } from '../contract/plan.ts'
import { bucket, growthbookNamespacePlace } from './schemes.ts'

export interface Caller {
  /** Absent: it has no place in any namespace. */
  unit?: string | undefined
  attributes?: Attributes | undefined
}

export function isOfAudience({ where = [], namespace }: Audience, scheme: Scheme, caller: Caller): boolean {
  const { unit, attributes = {} } = caller
  if (!where.every((condition) => holds(condition, attributes))) return false
  if (namespace === undefined) return true
  if (unit === undefined) return false
  const at = namespacePlace(scheme, namespace.name, unit)
  return namespace.from <= at && at < namespace.below
}

/**
 * The order of SemVer 2.0.0, section 11: numbers by size, then without pre-release after with one, then its identifiers.
 *
 * @returns negative where `a` comes first, 0 for equals; build metadata does not count
 */
export function compareVersions(a: string, b: string): number {
  const [coreA, preA] = partsOf(a)
  const [coreB, preB] = partsOf(b)
  for (const [i, number] of coreA.entries()) {
    const difference = number - (coreB[i] ?? 0)
    if (difference !== 0) return difference
  }
  if (preA.length === 0 || preB.length === 0) return preB.length - preA.length
  for (let i = 0; i < Math.max(preA.length, preB.length); i++) {
    const difference = compareIdentifiers(preA[i], preB[i])
    if (difference !== 0) return difference
  }
  return 0
}

function namespacePlace(scheme: Scheme, namespace: string, unit: string): number {
  return scheme === 'growthbook-2' ? growthbookNamespacePlace(namespace, unit) : bucket(`${namespace}:namespace`, unit)
}

function holds(condition: Condition, attributes: Attributes): boolean {
  // Not by name alone: an object has names of its own, such as "constructor".
  const value = Object.hasOwn(attributes, condition.attribute) ? attributes[condition.attribute] : undefined
  if ('equals' in condition) return value === condition.equals
  if ('in' in condition) return value !== undefined && condition.in.includes(value)
  if ('version' in condition) {
    const { from, below } = condition.version
    if (typeof value !== 'string' || !/^\d+\.\d+\.\d+(?:[-+]|$)/.test(value)) return false
    return (
      (from === undefined || compareVersions(value, from) >= 0) &&
      (below === undefined || compareVersions(value, below) < 0)
    )
  }
  const { from = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } = condition
  return typeof value === 'number' && from <= value && value < below
}

function partsOf(version: string): [core: number[], preRelease: string[]] {
  const [plain = ''] = version.split('+')
  const dash = plain.indexOf('-')
  const core = dash < 0 ? plain : plain.slice(0, dash)
  return [core.split('.').map(Number), dash < 0 ? [] : plain.slice(dash + 1).split('.')]
}

// Fewer of them come first; numbers before words.
function compareIdentifiers(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1
  const [numberA, numberB] = [a, b].map((each) => (/^\d+$/.test(each) ? Number(each) : undefined))
  if (numberA !== undefined && numberB !== undefined) return numberA - numberB
  if (numberA !== undefined || numberB !== undefined) return numberA === undefined ? 1 : -1
  return a < b ? -1 : 1
}
