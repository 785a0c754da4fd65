/** Worker with the build that has WASM alone. */
import * as ort from 'onnxruntime-web/wasm'
import { serveBare } from './bare-worker.ts'

serveBare(ort)
