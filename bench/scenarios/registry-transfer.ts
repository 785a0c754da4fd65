/** What a push and a pull take, against Debian's registry of the same protocol (Go). */
import type { Scenario, Variant } from '../harness/scenario.ts'
import { absentDocker } from '../node/servers.ts'

const works = {
  put: '200 MB pushed in one PUT',
  patch: '200 MB pushed in a PATCH, as docker does',
  pull: '200 MB pulled',
  'push-models': '100 models of 30 kB pushed',
  'pull-models': '100 models of 30 kB pulled',
}

export const scenario: Scenario = {
  name: 'registry-transfer',
  question: 'How long do pushes and pulls take, the same client against Selvedge and against docker-registry?',
  baseline: `${works.put}, docker-registry`,
  variants: Object.entries(works).flatMap(([work, wording]) =>
    ['docker-registry', 'selvedge'].map(
      (server): Variant => ({
        name: `${wording}, ${server}`,
        command: [process.execPath, 'bench/variants/registry-transfer.ts', server, work],
        against: `${wording}, docker-registry`,
        absent: absentDocker,
      }),
    ),
  ),
  check: (answer, against) => (answer === against ? undefined : `got ${answer}, want ${against}`),
}
