/** Layout: where the features of a description stand in its input tensors. */
import type { Description, Dimension, Feature, ImageFeature, TensorSignature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import type { NumericDatatype } from './numbers.ts'

export type ColumnFeature = Exclude<Feature, ImageFeature>

interface Axes {
  input: TensorSignature
  /** Sizes of one record: all axes but the batch. */
  record: readonly number[]
  /** Elements of one record. */
  width: number
  /** How many records the model takes at once; undefined where it takes any number. */
  batch: number | undefined
  /** False where the only axis holds the columns of one record. */
  hasBatchAxis: boolean
}

/** An input of numbers, whose every column belongs to one feature. */
interface ColumnLayout extends Axes {
  kind: 'columns'
  datatype: NumericDatatype
  columns: readonly ColumnFeature[]
}

/** An input of text, whose every column is a feature encoded as `string`. */
export interface TextLayout extends Axes {
  kind: 'texts'
  columns: readonly ColumnFeature[]
}

/** An input that one image fills. */
export interface ImageLayout extends Axes {
  kind: 'image'
  datatype: NumericDatatype
  image: ImageFeature
}

export type InputLayout = ColumnLayout | TextLayout | ImageLayout

/** Columns that a feature takes. */
export function featureWidth(feature: ColumnFeature): number {
  return feature.kind === 'categorical' && feature.encoding === 'onehot' ? feature.values.length : 1
}

/**
 * The inputs that have features, in the order of the description; worked out once a description.
 *
 * @throws {@link SelvedgeError} `DESCRIPTION_INVALID` where features and inputs do not fit each other
 */
export function inputLayouts(description: Description): readonly InputLayout[] {
  const known = layouts.get(description)
  if (known !== undefined) return known
  const features = description.features ?? []
  const stray = features.find((feature) => !description.inputs.some((input) => input.name === feature.input))
  if (stray !== undefined) throw invalid(`feature "${stray.name}" stands in input "${stray.input}", which is not there`)
  const found = description.inputs.flatMap((input) => {
    const own = features.filter((feature) => feature.input === input.name)
    return own.length > 0 ? [inputLayout(input, own)] : []
  })
  layouts.set(description, found)
  return found
}

const layouts = new WeakMap<Description, readonly InputLayout[]>()

function inputLayout(input: TensorSignature, features: readonly Feature[]): InputLayout {
  const columns = features.filter((feature) => feature.kind !== 'image')
  const image = features.find((feature) => feature.kind === 'image')
  if (image === undefined) return columnLayout(input, columns)
  if (features.length > 1) throw invalid(`image "${image.name}" shares input "${input.name}" with other features`)
  return imageLayout(input, image)
}

function columnLayout(input: TensorSignature, columns: readonly ColumnFeature[]): ColumnLayout | TextLayout {
  for (const feature of columns) {
    const isText = feature.kind === 'categorical' && feature.encoding === 'string'
    if (isText !== (input.datatype === 'BYTES')) {
      throw invalid(`feature "${feature.name}" does not fit input "${input.name}" of ${input.datatype}`)
    }
  }
  const width = coveredColumns(input, columns)
  const shape = input.shape ?? [-1, -1]
  // The axis of a column vector is its batch; any other single axis holds the columns of one record.
  const hasBatchAxis = shape.length > 1 || width === 1
  const record = hasBatchAxis ? shape.slice(1) : shape
  const sizes = record.map((_, i) => (i === record.length - 1 ? width : 1))
  if (!record.every((dimension, i) => isFree(dimension) || dimension === sizes[i])) {
    throw invalid(`the features of input "${input.name}" fill ${width} columns, its shape is [${shape}]`)
  }
  const batch = hasBatchAxis ? fixed(shape[0]) : 1
  const axes = { input, record: sizes, width, batch, hasBatchAxis }
  const { datatype } = input
  return datatype === 'BYTES' ? { ...axes, kind: 'texts', columns } : { ...axes, kind: 'columns', datatype, columns }
}

/** Width of a row in which each column belongs to one feature. */
function coveredColumns(input: TensorSignature, columns: readonly ColumnFeature[]): number {
  let covered = 0
  for (const feature of columns.toSorted((a, b) => a.index - b.index)) {
    if (feature.index > covered) throw invalid(`column ${covered} of input "${input.name}" has no feature`)
    if (feature.index < covered) throw invalid(`column ${feature.index} of input "${input.name}" has two features`)
    covered += featureWidth(feature)
  }
  return covered
}

function imageLayout(input: TensorSignature, image: ImageFeature): ImageLayout {
  const [height = 0, width = 0] = image.size
  const { channels } = image
  if (input.datatype === 'BYTES') throw invalid(`image "${image.name}" does not fit input "${input.name}" of BYTES`)
  for (const facts of [image.mean, image.std]) {
    if (facts.length !== 1 && facts.length !== channels) {
      throw invalid(`image "${image.name}" has ${channels} channels and ${facts.length} means or stds`)
    }
  }
  const own = image.layout === 'NCHW' ? [channels, height, width] : [height, width, channels]
  const shape = input.shape ?? [-1, ...own]
  const rest = shape.slice(1)
  const fits = rest.length === own.length && rest.every((dimension, i) => isFree(dimension) || dimension === own[i])
  const size = height * width * channels
  // Any other shape of as many numbers is the same image, such as rows of [N, 784].
  const record = fits ? own : rest.map((dimension) => fixed(dimension) ?? Number.NaN)
  if (shape.length < 2 || record.reduce((product, each) => product * each, 1) !== size) {
    throw invalid(`image "${image.name}" has [${own}] numbers, input "${input.name}" the shape [${shape}]`)
  }
  return {
    kind: 'image',
    input,
    datatype: input.datatype,
    record,
    width: size,
    batch: fixed(shape[0]),
    hasBatchAxis: true,
    image,
  }
}

function isFree(dimension: Dimension): boolean {
  return fixed(dimension) === undefined
}

function fixed(dimension: Dimension | undefined): number | undefined {
  return typeof dimension === 'number' && dimension !== -1 ? dimension : undefined
}

function invalid(why: string): SelvedgeError {
  return new SelvedgeError('DESCRIPTION_INVALID', why)
}
