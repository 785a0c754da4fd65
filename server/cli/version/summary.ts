/** What was read from a model, as text: its signature, what it lacks, and the command that adds it. */
import type { Description, TensorSignature } from '../../../runtime/contract/description.ts'
import { renderTable } from '../table.ts'

export interface Lack {
  what: 'features' | 'output' | 'baseline' | 'golden'
  /** What works without it, and what does not. */
  means: string
  /** The command or the entry that adds it. */
  add: string
}

export function renderSignature(description: Description): string {
  const { inputs, outputs, features = [], output, variants } = description
  const rows = [
    ...inputs.map((tensor) => ['input', ...signatureCells(tensor)]),
    ...outputs.map((tensor) => ['output', ...signatureCells(tensor)]),
  ]
  const shown = features.slice(0, 12).map(({ name, kind }) => (kind === 'numeric' ? name : `${name} (${kind})`))
  const more = features.length > shown.length ? `, and ${features.length - shown.length} more` : ''
  const lines = [
    features.length > 0 ? `features  ${shown.join(', ')}${more}` : '',
    output?.kind === 'classification' ? `classes   ${listShort(output.classes)} from "${output.tensor}"` : '',
    output?.kind === 'regression' ? `value     from "${output.tensor}"` : '',
    `variants  ${variants.map(({ id, file, providers }) => `${id} (${file}: ${providers.join(', ')})`).join('; ')}`,
  ].filter((line) => line !== '')
  return `${renderTable([{ title: '' }, { title: 'NAME' }, { title: 'DATATYPE' }, { title: 'SHAPE' }], rows)}${lines.join('\n')}\n`
}

export function renderLacks(lacks: readonly Lack[]): string {
  return lacks.map(({ what, means, add }) => `no ${what}: ${means}\n  → ${add}\n`).join('')
}

/** @param command - what was called, to be called again with more */
export function findLacks(
  description: Description,
  has: { profile: boolean; golden: boolean },
  command: string,
): Lack[] {
  const { features, output, inputs } = description
  const fromColumns = features === undefined ? takesColumns(inputs) : features.every(({ kind }) => kind !== 'image')
  const written = `in a selvedge.json, then ${command} --description selvedge.json`
  const baseline = `${command} --baseline train.csv`
  const lacks: Lack[] = []
  if (features === undefined) {
    lacks.push({
      what: 'features',
      means: 'it takes tensors (infer), not records (score)',
      add: fromColumns ? `${baseline} --features ${columnNames(inputs)}` : `"features" ${written}`,
    })
  }
  if (output === undefined) {
    lacks.push({ what: 'output', means: 'its numbers have no class or value behind them', add: `"output" ${written}` })
  }
  // Without features there is nothing that a baseline could be counted by.
  if (!has.profile && features !== undefined) {
    lacks.push({
      what: 'baseline',
      means: 'hosts count rows and errors, not what is in them',
      add: fromColumns ? baseline : 'profile.json beside the model in a folder that is pushed',
    })
  }
  if (!has.golden) {
    lacks.push({
      what: 'golden',
      means: 'hosts cannot check that they answer as this machine does',
      add: fromColumns && features !== undefined ? baseline : `${command} --golden golden.json`,
    })
  }
  return lacks
}

function takesColumns(inputs: readonly TensorSignature[]): boolean {
  const [only, ...others] = inputs
  return others.length === 0 && only?.shape?.length === 2 && (only.datatype === 'FP32' || only.datatype === 'FP64')
}

/** As many letters as the input has columns. */
function columnNames([input]: readonly TensorSignature[]): string {
  const width = input?.shape?.[1]
  const letters = [...'abcdefgh']
  if (typeof width === 'number' && width > 0 && width <= letters.length) return letters.slice(0, width).join(',')
  return 'a,b,c,…'
}

function signatureCells({ name, datatype, shape }: TensorSignature): string[] {
  const sizes = shape?.map((size) => (size === -1 ? '?' : String(size)))
  return [name, datatype, sizes === undefined ? 'any' : sizes.length === 0 ? 'scalar' : `[${sizes.join(', ')}]`]
}

function listShort(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 10).join(', ')}, … (${names.length})`
}
