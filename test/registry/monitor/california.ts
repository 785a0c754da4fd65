/** California housing as predictions of two classes, with and without their outcomes. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { NumericProfile, ProfileFeature, ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'

const shared = fileURLToPath(new URL('../../../../shared/data/', import.meta.url))

export const hasCalifornia = existsSync(shared)

export interface House {
  score: number
  isPositive: boolean
}

export const output = {
  kind: 'classification',
  tensor: 'y',
  activation: 'none',
  classes: ['low', 'high'],
  threshold: 0.8,
}

export function readHouses(): { reference: House[]; analysis: House[] } {
  const target = read('california_housing_analysis_gt.csv')
  const house = (row: Record<string, number>, truth = row) => ({
    score: row.y_pred_proba ?? 0,
    isPositive: truth.clf_target === 1,
  })
  return {
    reference: read('california_housing_reference.csv').map((row) => house(row)),
    analysis: read('california_housing_analysis.csv').map((row, i) => house(row, target[i])),
  }
}

export function outputsOf({ score }: House) {
  return { class: score >= output.threshold ? 'high' : 'low', score }
}

/** With the outcomes of its rows where `knows` says so. */
export function specOf(houses: readonly House[], knows = true): ProfileSpec {
  const spec = buildProfileSpec({
    features: [],
    output: { ...output, kind: 'classification', activation: 'none', classes: [...output.classes] },
    rows: [],
    outputs: houses.map(outputsOf),
  })
  const positives = countsOf(
    spec,
    houses.filter(({ isPositive }) => isPositive),
  ).score
  const told = (each: ProfileFeature) => (each.name === 'score' ? { ...(each as NumericProfile), positives } : each)
  return knows ? { ...spec, outputs: spec.outputs.map(told) } : spec
}

export function countsOf(spec: ProfileSpec, houses: readonly House[]): Record<string, number[]> {
  const profile = openProfile(spec)
  for (const house of houses) profile.countOutput(outputsOf(house))
  return profile.counts().outputs
}

/** Cell of each output. */
export function cellsOf(spec: ProfileSpec, house: House): number[] {
  const counts = countsOf(spec, [house])
  return spec.outputs.map(({ name }) => counts[name]?.indexOf(1) ?? -1)
}

function read(file: string): Record<string, number>[] {
  const [head = '', ...lines] = readFileSync(`${shared}${file}`, 'utf8').trim().split('\n')
  const names = head.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((text, i) => [names[i] ?? '', Number(text)])))
}
