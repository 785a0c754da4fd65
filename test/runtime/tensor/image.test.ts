import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Description, description, type ImageFeature } from '../../../runtime/contract/description.ts'
import { encodeRecords, recordValues, tensorValues } from '../../../runtime/tensor/features.ts'
import { readPixels } from '../../../runtime/tensor/image.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'

function feature(parts: Partial<ImageFeature>): ImageFeature {
  return {
    name: 'image',
    kind: 'image',
    input: 'x',
    layout: 'NCHW',
    channels: 1,
    size: [2, 2],
    scale: 1,
    mean: [0],
    std: [1],
    ...parts,
  }
}

function describing(
  parts: Partial<ImageFeature>,
  shape: Description['inputs'][number]['shape'],
  datatype: Description['inputs'][number]['datatype'] = 'FP32',
): Description {
  return description.parse({
    inputs: [{ name: 'x', datatype, shape }],
    outputs: [{ name: 'y', datatype: 'FP32' }],
    features: [feature(parts)],
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
  })
}

/** RGBA from rows of [red, green, blue]. */
function bitmap(width: number, pixels: [number, number, number][], alpha = 255) {
  const data = Uint8ClampedArray.from(pixels.flatMap((pixel) => [...pixel, alpha]))
  return { width, height: pixels.length / width, data }
}

function grey(width: number, ...values: number[]) {
  return bitmap(
    width,
    values.map((value) => [value, value, value]),
  )
}

const pixelsOf = (parts: Partial<ImageFeature>, image: unknown) => Array.from(readPixels(feature(parts), image))

describe('a bitmap', () => {
  test('of the size of the model is taken as it is, alpha ignored', () => {
    const pixels: [number, number, number][] = [
      [1, 2, 3],
      [4, 5, 6],
    ]
    for (const alpha of [255, 0]) {
      expect(pixelsOf({ channels: 3, size: [1, 2] }, bitmap(2, pixels, alpha))).toEqual([1, 2, 3, 4, 5, 6])
    }
  })

  test('becomes grey by luma: 0.299 red, 0.587 green, 0.114 blue', () => {
    const image = bitmap(3, [
      [100, 0, 0],
      [0, 100, 0],
      [0, 0, 100],
    ])
    expect(pixelsOf({ size: [1, 3] }, image)).toEqual([
      expect.closeTo(29.9, 10),
      expect.closeTo(58.7, 10),
      expect.closeTo(11.4, 10),
    ])
  })

  test('that is larger is averaged by area', () => {
    // 4 x 2 to 2 x 1: means of 2 x 2 pixels.
    expect(pixelsOf({ size: [1, 2] }, grey(4, 0, 4, 8, 12, 4, 8, 12, 16))).toEqual([
      expect.closeTo(4, 10),
      expect.closeTo(12, 10),
    ])
  })

  test('is averaged by area where the sizes do not divide: 3 to 2', () => {
    // Each new pixel covers one whole and half a pixel: (1 * 30 + 0.5 * 60) / 1.5 and (0.5 * 60 + 1 * 90) / 1.5.
    expect(pixelsOf({ size: [1, 2] }, grey(3, 30, 60, 90))).toEqual([expect.closeTo(40, 10), expect.closeTo(80, 10)])
  })

  test('that is smaller is interpolated between the centres of its pixels', () => {
    // Centres of 4 pixels over 2: -0.25, 0.25, 0.75, 1.25, held at the borders.
    expect(pixelsOf({ size: [1, 4] }, grey(2, 0, 100))).toEqual([0, 25, 75, 100])
  })

  test('may be larger on one side and smaller on the other', () => {
    expect(pixelsOf({ size: [4, 1] }, grey(2, 0, 20, 100, 120))).toEqual([10, 35, 85, 110])
  })

  test('of one colour keeps it at any size', () => {
    const side = fc.integer({ min: 1, max: 40 })
    fc.assert(
      fc.property(side, side, side, side, fc.integer({ min: 0, max: 255 }), (width, height, h, w, value) => {
        const image = bitmap(width, new Array(width * height).fill([value, value, value]))
        for (const pixel of readPixels(feature({ size: [h, w] }), image)) expect(pixel).toBeCloseTo(value, 9)
      }),
      { numRuns: 50 },
    )
  })

  test('keeps its mean when each side is divided', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 36, maxLength: 36 }), (values) => {
        const mean = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length
        expect(mean(pixelsOf({ size: [4, 3] }, grey(6, ...values)))).toBeCloseTo(mean(values), 9)
      }),
    )
  })
})

describe('numbers', () => {
  test('may be flat, nested by rows or by pixels, or typed', () => {
    const rgb = { channels: 3 as const, size: [1, 2] }
    const flat = [1, 2, 3, 4, 5, 6]
    for (const image of [
      flat,
      [flat],
      [
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
      ],
      Uint8Array.from(flat),
      Float32Array.from(flat),
    ]) {
      expect(pixelsOf(rgb, image)).toEqual(flat)
    }
  })
})

describe('an image is refused', () => {
  test.each([
    ['where it is missing', undefined, 'got undefined, want { width, height, data } or numbers'],
    ['where it is text', 'data:image/png', 'got string, want { width, height, data } or numbers'],
    ['with too few numbers', [1, 2, 3], 'got 3 numbers, want 2 x 2'],
    ['with too many numbers', [1, 2, 3, 4, 5], 'got 5 numbers, want 2 x 2'],
    ['with a pixel over 255', [1, 2, 3, 256], 'got a pixel of 256, want 0 to 255'],
    ['with a pixel below 0', [1, 2, 3, -1], 'got a pixel of -1, want 0 to 255'],
    ['with a pixel that is NaN', [1, 2, 3, Number.NaN], 'got a pixel of NaN, want 0 to 255'],
    ['with a pixel that is text', [1, 2, 3, '4'], 'got string, want { width, height, data } or numbers'],
    ['nested deeper than channels', [[[[1, 2, 3, 4]]]], 'got object, want { width, height, data } or numbers'],
    [
      'with too few bytes',
      { width: 2, height: 2, data: new Uint8Array(15) },
      'got 15 bytes, want width * height * 4 = 16 (RGBA)',
    ],
    ['with no bytes', { width: 2, height: 2, data: null }, 'got 0 bytes, want width * height * 4 = 16 (RGBA)'],
    [
      'with a width of 0',
      { width: 0, height: 2, data: [] },
      'width and height are 0 and 2, want integers from 1 to 16384',
    ],
    [
      'with a width of 10^12',
      { width: 1e12, height: 2, data: [] },
      'width and height are 1000000000000 and 2, want integers from 1 to 16384',
    ],
  ])('%s', (_, image, why) => {
    expect(() => readPixels(feature({}), image)).toThrow(
      expect.objectContaining({ code: 'FEATURE_INVALID', message: `image "image": ${why}` }),
    )
  })
})

describe('the tensor of an image', () => {
  const rgb: [number, number, number][] = [
    [0, 51, 102],
    [255, 204, 153],
  ]
  const normalized = { channels: 3 as const, size: [1, 2], scale: 1 / 255, mean: [0, 0.2, 0.4], std: [1, 0.5, 0.25] }

  test('is normalized by channel and laid out as NCHW', () => {
    const model = describing(normalized, ['N', 3, 1, 2])
    const close = [0, 1, 0, 1.2, 0, 0.8].map((value) => expect.closeTo(value, 6))
    const { x } = encodeRecords(model, [{ image: bitmap(2, rgb) }])
    expect([x?.shape, Array.from(x?.data as Float32Array)]).toEqual([[1, 3, 1, 2], close])
  })

  test('is laid out as NHWC', () => {
    const model = describing({ ...normalized, layout: 'NHWC' }, ['N', 1, 2, 3])
    const close = [0, 0, 0, 1, 1.2, 0.8].map((value) => expect.closeTo(value, 6))
    const { x } = encodeRecords(model, [{ image: bitmap(2, rgb) }])
    expect([x?.shape, Array.from(x?.data as Float32Array)]).toEqual([[1, 1, 2, 3], close])
  })

  test('takes the shape that the model names where that has as many numbers', () => {
    for (const [shape, encoded] of [
      [
        ['N', 4],
        [2, 4],
      ],
      [
        ['N', 2, 2],
        [2, 2, 2],
      ],
      [
        ['N', 'C', 'H', 'W'],
        [2, 1, 2, 2],
      ],
    ] as const) {
      const model = describing({}, [...shape])
      const images = [{ image: [1, 2, 3, 4] }, { image: [5, 6, 7, 8] }]
      expect(encodeRecords(model, images).x).toEqual(
        createTensor('FP32', encoded, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
      )
    }
  })

  test('of integers holds the nearest ones in their range', () => {
    const model = describing({ mean: [10] }, ['N', 1, 2, 2], 'UINT8')
    expect(encodeRecords(model, [{ image: [0, 10, 11.6, 255] }]).x?.data).toEqual(Uint8Array.of(0, 0, 2, 245))
  })

  test('is refused where the description gives it another number of numbers, or a neighbour', () => {
    const codes = [
      () => encodeRecords(describing({}, ['N', 1, 3, 3]), [{ image: [1, 2, 3, 4] }]),
      () => encodeRecords(describing({}, ['N', -1]), [{ image: [1, 2, 3, 4] }]),
      () => encodeRecords(describing({ channels: 3, mean: [0, 0] }, ['N', 3, 2, 2]), [{ image: [] }]),
    ]
    for (const run of codes) expect(run).toThrow(expect.objectContaining({ code: 'DESCRIPTION_INVALID' }))
  })
})

describe('the reductions of an image', () => {
  test('are mean, standard deviation and share of zeros of pixels from 0 to 1', () => {
    const model = describing({}, ['N', 1, 2, 2])
    expect(recordValues(model, { image: [0, 255, 0, 255] })).toEqual({
      'image.mean': 0.5,
      'image.std': 0.5,
      'image.zeros': 0.5,
    })
  })

  test.each(['FP32', 'FP16', 'UINT8'] as const)('are exactly those of its tensor in %s', (datatype) => {
    const parts = datatype === 'UINT8' ? {} : { scale: 1 / 255, mean: [0.1307], std: [0.3081] }
    const model = describing({ ...parts, size: [4, 4] }, ['N', 1, 4, 4], datatype)
    const values = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 30, maxLength: 30 })
    fc.assert(
      fc.property(values, values, (first, second) => {
        const images = [{ image: grey(6, ...first) }, { image: grey(5, ...second) }]
        const inputs = encodeRecords(model, images)
        const reduced = images.map((each) => recordValues(model, each))
        expect(tensorValues(model, inputs)).toEqual(reduced)
        expect(images.map((each, row) => recordValues(model, each, { inputs, row }))).toEqual(reduced)
      }),
    )
  })

  test('count a pixel as zero however the model normalizes it', () => {
    const model = describing({ scale: 1 / 255, mean: [0.1307], std: [0.3081] }, ['N', 1, 2, 2])
    expect(recordValues(model, { image: [0, 0, 0, 1] })['image.zeros']).toBe(0.75)
  })
})
