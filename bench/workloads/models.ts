/** The models that pages run. Five are made here; two real ones are taken where they lie beside the checkout. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { makeDetector } from './detector.ts'
import { filtersShape, makeFilters, makeMatrices, matricesShape } from './large.ts'
import { inputName, inputShape, makeNetwork, outputName } from './network.ts'
import { makeSlow, slowShape } from './slow.ts'
import type { Subject } from './task.ts'

export type ModelName = 'small' | 'slow' | 'detector' | 'filters' | 'matrices' | 'mnist' | 'ultraface'

interface Model extends Omit<Subject['model'], 'url'> {
  read(): Uint8Array
  absent?(): string | undefined
}

export const models: Record<ModelName, Model> = {
  small: { input: inputName, shape: inputShape, output: outputName, read: makeNetwork },
  slow: { input: 'x', shape: slowShape, output: 'y', read: makeSlow },
  detector: { input: 'image', shape: [1, 3, 240, 320], output: 'boxes', read: makeDetector },
  filters: { input: 'x', shape: filtersShape, output: 'y', read: makeFilters },
  matrices: { input: 'x', shape: matricesShape, output: 'y', read: makeMatrices },
  mnist: { input: 'Input3', shape: [1, 1, 28, 28], output: 'Plus214_Output_0', ...shared('mnist.onnx') },
  ultraface: { input: 'input', shape: [1, 3, 240, 320], output: 'boxes', ...shared('ultraface.onnx') },
}

export function isModel(name: string | undefined): name is ModelName {
  return name !== undefined && Object.hasOwn(models, name)
}

function shared(file: string): Pick<Model, 'read' | 'absent'> {
  const path = fileURLToPath(new URL(`../../../shared/models/${file}`, import.meta.url))
  return {
    read: () => readFileSync(path),
    absent: () => (existsSync(path) ? undefined : `there is no ../shared/models/${file}`),
  }
}
