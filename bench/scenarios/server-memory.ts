/** What a scoring server and each of its scorers hold in memory. */
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario } from '../harness/scenario.ts'
import { absentWrk } from '../node/wrk.ts'
import { type ModelName, models } from '../workloads/models.ts'

const wordings = { 'bare-1': 'handler, one thread', front: 'front', scorer: 'scorer' }

export const scenario: Scenario = {
  name: 'server-memory',
  question: 'How much memory do the front and the largest scorer hold after 15 s of load, against one handler?',
  baseline: 'small, handler, one thread',
  variants: (['small', 'ultraface'] satisfies ModelName[]).flatMap((model) =>
    (['bare-1', 'front', 'scorer'] as const).map((kind) => ({
      name: `${model}, ${wordings[kind]}`,
      command: [process.execPath, 'bench/variants/server-memory.ts', kind, model] as const,
      against: `${model}, ${wordings['bare-1']}`,
      absent: () => absentWrk() ?? models[model].absent?.(),
    })),
  ),
  check: (answer, against) => checkNumbers(answer, against, 1e-4),
}
