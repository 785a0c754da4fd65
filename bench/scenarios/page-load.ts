/** What a load costs the page: its own thread, bytes. */
import { absentBuild } from '../chromium/site.ts'
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

const ort = 'node_modules/onnxruntime-web/dist'

export const scenario: Scenario = {
  name: 'page-load',
  question: 'For how long is the page held by a first load and 100 runs, how large is what it loads?',
  baseline: 'longest task, bare',
  variants: [
    ...(['bare', 'selvedge'] as const).flatMap((kind): Variant[] => [
      {
        name: `longest task, ${kind}`,
        command: [process.execPath, 'bench/variants/page-blocked.ts', 'detector', kind],
        absent: absentChromium,
      },
    ]),
    sizeOf('page module, gzip', 'dist/browser/client.js'),
    sizeOf('worker, gzip', 'dist/browser/worker.js'),
    sizeOf('onnxruntime-web/jspi alone, gzip', `${ort}/ort.jspi.bundle.min.mjs`),
  ],
  check: (answer, against) => (answer === true ? undefined : checkNumbers(answer, against, 1e-5)),
}

function sizeOf(name: string, file: string): Variant {
  return {
    name,
    command: [process.execPath, 'bench/variants/size.ts', file],
    against: 'onnxruntime-web/jspi alone, gzip',
    absent: absentBuild,
  }
}
