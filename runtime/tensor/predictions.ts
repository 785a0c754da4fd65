/** Predictions: output tensors as classes, scores and values by name, and what is counted of them. */
import type { Description, OutputMeaning } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import { unpackNumbers } from './numbers.ts'
import type { Tensor, Tensors } from './tensor.ts'

/** What a model says about one record: a class with the scores of all classes by name, or a number. */
export type Prediction = { class: string; scores: Record<string, number> } | { value: number }

/**
 * One prediction a row of the output that the description names.
 *
 * Two classes go by the threshold where there is one: the second class has a score of at least that. Otherwise the
 * highest score decides, and the first of equals.
 *
 * @throws {@link SelvedgeError} `NO_FEATURES` where the description names no output; `NOT_SCORABLE` where the tensor does
 * not hold a number a class; `RUN_FAILED` where a score is NaN
 */
export function decodePredictions(description: Description, outputs: Tensors): Prediction[] {
  const { output } = description
  if (output === undefined) throw new SelvedgeError('NO_FEATURES', 'the description does not say what the output means')
  return scoreRows(output, description, outputs).map((scores, i) => {
    if (scores.some(Number.isNaN)) {
      throw new SelvedgeError('RUN_FAILED', `output "${output.tensor}" is NaN for record ${i}`, {
        output: output.tensor,
      })
    }
    if (output.kind === 'regression') return { value: scores[0] ?? 0 }
    const name = output.classes[classOf(output, scores)] ?? ''
    return { class: name, scores: Object.fromEntries(output.classes.map((each, k) => [each, scores[k] ?? 0])) }
  })
}

/** What a profile counts for one answer: `value`, or `class` and `score`: that of the second of two classes, else the highest. */
export function outputValues(description: Description, prediction: Prediction): Record<string, unknown> {
  if ('value' in prediction) return { value: prediction.value }
  const { output } = description
  const second = output?.kind === 'classification' && output.classes.length === 2 ? output.classes[1] : undefined
  return { class: prediction.class, score: prediction.scores[second ?? prediction.class] }
}

/**
 * The same for each row of output tensors; empty where the description names no output or the caller did not ask for it.
 * A row with a NaN among its scores has no class and NaN for its score.
 *
 * @throws {@link SelvedgeError} `NOT_SCORABLE` as {@link decodePredictions}
 */
export function outputTensorValues(description: Description, outputs: Tensors): Record<string, unknown>[] {
  const { output } = description
  if (output === undefined || !Object.hasOwn(outputs, output.tensor)) return []
  return scoreRows(output, description, outputs).map((scores) => {
    if (output.kind === 'regression') return { value: scores[0] }
    if (scores.some(Number.isNaN)) return { class: null, score: Number.NaN }
    const best = classOf(output, scores)
    return { class: output.classes[best], score: scores[scores.length === 2 ? 1 : best] }
  })
}

function scoreRows(output: OutputMeaning, description: Description, outputs: Tensors): number[][] {
  const tensor = (Object.hasOwn(outputs, output.tensor) ? outputs[output.tensor] : undefined) as Tensor | undefined
  const columns = tensor === undefined ? 0 : columnsOf(tensor, description, output.tensor)
  const isShared = output.kind === 'classification' && output.classes.length === 2 && columns === 1
  const wanted = output.kind === 'regression' || isShared ? 1 : output.classes.length
  if (tensor === undefined || tensor.datatype === 'BYTES' || columns !== wanted) {
    const got = tensor === undefined ? 'nothing' : `${tensor.datatype} [${tensor.shape}]`
    throw new SelvedgeError('NOT_SCORABLE', `output "${output.tensor}": got ${got}, want ${wanted} numbers a record`, {
      output: output.tensor,
    })
  }
  const numbers = unpackNumbers(tensor)
  const activation = output.kind === 'classification' ? output.activation : 'none'
  return Array.from({ length: numbers.length / columns }, (_, i) => {
    const row = activate(activation, Array.from(numbers.slice(i * columns, (i + 1) * columns)))
    return isShared ? row.flatMap((score) => [1 - score, score]) : row
  })
}

/** Numbers of one record in an output: its last axis, or 1 where the only axis is the batch. */
function columnsOf({ shape }: Tensor, { outputs }: Description, name: string): number {
  if (shape.length > 1) return shape.at(-1) ?? 1
  const declared = outputs.find((output) => output.name === name)?.shape
  const isOneRecord = declared?.length === 1 && typeof declared[0] === 'number' && declared[0] > 1
  return isOneRecord ? (shape[0] ?? 1) : 1
}

function activate(activation: 'none' | 'softmax' | 'sigmoid', scores: number[]): number[] {
  if (activation === 'none') return scores
  // Scores of one column are the second class's logit, of which softmax is the sigmoid.
  if (activation === 'sigmoid' || scores.length === 1) return scores.map((score) => 1 / (1 + Math.exp(-score)))
  // Without the largest taken off, exp overflows from 710 on.
  const largest = Math.max(...scores)
  const powers = scores.map((score) => Math.exp(score - largest))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}

function classOf(output: Extract<OutputMeaning, { kind: 'classification' }>, scores: readonly number[]): number {
  // Rounded as a profile rounds: the class changes at the edge that the profile has there.
  if (output.threshold !== undefined && scores.length === 2)
    return Math.fround(scores[1] ?? 0) >= output.threshold ? 1 : 0
  return scores.reduce((best, score, k) => (score > (scores[best] ?? 0) ? k : best), 0)
}
