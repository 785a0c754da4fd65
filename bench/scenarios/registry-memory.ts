/** What 20 clients that push at once cost a registry in memory. */
import { absentProc } from '../chromium/memory.ts'
import type { Scenario } from '../harness/scenario.ts'
import { absentDocker } from '../node/servers.ts'

export const scenario: Scenario = {
  name: 'registry-memory',
  question: 'How much more is resident at most while 20 clients push 200 MB each, over what was idle?',
  baseline: 'docker-registry',
  variants: ['docker-registry', 'selvedge'].map((server) => ({
    name: server,
    command: [process.execPath, 'bench/variants/registry-memory.ts', server, 'put'],
    absent: () => absentProc() ?? absentDocker(),
  })),
  check: (answer, against) => (String(answer) === String(against) ? undefined : 'other bytes came back'),
}
