/** Worker with the build that has WebGPU. */
import * as ort from 'onnxruntime-web/jspi'
import { serveBare } from './bare-worker.ts'

serveBare(ort)
