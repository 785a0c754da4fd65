/** What outcomes mean to a version: which class or number was true, and how far the prediction was off. */
import type { Performance } from '../contract/performance.ts'
import type { CategoricalProfile, NumericProfile, ProfileSpec } from '../contract/profile-spec.ts'
import { numberCellsOf } from './cells.ts'
import { binary, classes, lossOf } from './classification.ts'
import { regression } from './regression.ts'

export interface Answered {
  /** Of the outputs, in the order of the spec. */
  cells: readonly number[]
  /** The outcome. */
  value: boolean | number | string
}

export type Metric = 'accuracy' | 'log_loss' | 'mae'

export interface Judge {
  /** By what it can be monitored; the first is the default. */
  metrics: readonly Metric[]
  summarize(rows: readonly Answered[], level: number): Performance
  /** How bad one answer was: 1 for a wrong class, nats, distance. Undefined for an outcome that says nothing to it. */
  loss(row: Answered, metric: Metric): number | undefined
}

/** Undefined for a version whose outputs are not profiled. */
export function openJudge({ outputs }: Pick<ProfileSpec, 'outputs'>): Judge | undefined {
  const place = (name: string) => outputs.findIndex((output) => output.name === name)
  const [labels, scores, values] = ['class', 'score', 'value'].map((name) => outputs[place(name)])
  if (values?.kind === 'numeric') return judgeNumbers(values, place('value'))
  if (labels?.kind !== 'categorical') return undefined
  const score = scores?.kind === 'numeric' && labels.values.length === 2 ? scores : undefined
  return judgeClasses(labels, score, { label: place('class'), score: place('score') })
}

function judgeNumbers(profile: NumericProfile, place: number): Judge {
  const values = new Map(numberCellsOf(profile).map(({ cell, value }) => [cell, value]))
  const isTold = ({ cells, value }: Answered) =>
    typeof value === 'number' && Number.isFinite(value) && values.has(cells[place] ?? -1)
  return {
    metrics: ['mae'],
    summarize(rows, level) {
      const told = rows.filter(isTold)
      const pairs = told.map(({ cells, value }) => [cells[place] ?? 0, Number(value)] as const)
      return { unknown: rows.length - told.length, regression: regression(profile, pairs, level) }
    },
    loss: (row) => (isTold(row) ? Math.abs((values.get(row.cells[place] ?? -1) ?? 0) - Number(row.value)) : undefined),
  }
}

function judgeClasses(
  labels: CategoricalProfile,
  score: NumericProfile | undefined,
  places: { label: number; score: number },
): Judge {
  const numbers = new Map((score ? numberCellsOf(score) : []).map(({ cell, value }) => [cell, value]))
  const trueClass = ({ value }: Answered) => classOf(labels.values, value)
  return {
    metrics: score === undefined ? ['accuracy'] : ['accuracy', 'log_loss'],
    summarize(rows, level) {
      const confusion = labels.values.map(() => new Array<number>(labels.counts.length).fill(0))
      const sides = [0, 1].map(() => new Array<number>(score?.counts.length ?? 0).fill(0))
      let unknown = 0
      for (const row of rows) {
        const actual = trueClass(row)
        if (actual < 0) {
          unknown++
          continue
        }
        add(confusion[actual], row.cells[places.label])
        add(sides[actual], row.cells[places.score])
      }
      const [negatives = [], positives = []] = sides
      return {
        unknown,
        classes: classes(labels, confusion, level),
        ...(score && { binary: binary(score, { negatives, positives }, level) }),
      }
    },
    loss(row, metric) {
      const actual = trueClass(row)
      if (actual < 0) return undefined
      if (metric === 'accuracy') return row.cells[places.label] === actual ? 0 : 1
      const told = numbers.get(row.cells[places.score] ?? -1)
      return told === undefined ? undefined : lossOf(told, actual === 1)
    },
  }
}

function add(counts: number[] | undefined, cell: number | undefined): void {
  if (counts !== undefined && cell !== undefined) counts[cell] = (counts[cell] ?? 0) + 1
}

/** A class by its name; of two, true or 1 is the second and false or 0 the first. -1 for what is no class. */
function classOf(names: readonly string[], value: Answered['value']): number {
  const named = names.indexOf(String(value))
  if (named >= 0 || names.length !== 2) return named
  if (value === true || value === 1) return 1
  return value === false || value === 0 ? 0 : -1
}
