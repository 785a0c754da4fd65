/** Which two deployments an experiment compares where nobody said. */
import { SelvedgeError } from '../../runtime/errors.ts'
import { sharesOf } from '../endpoints/rules.ts'
import type { SplitSpan } from '../store/experiments.ts'
import type { EndpointState } from '../store/store.ts'

export interface Arms {
  control: string
  treatment: string
}

type Named = { [Arm in keyof Arms]: string | undefined }

/**
 * Those with the most traffic in the last split of several, the first of them control; of equals the one that was made first.
 *
 * @param splits - oldest first
 * @throws {@link SelvedgeError} `INVALID_REQUEST` where there are not two different ones
 */
export function chooseArms(state: EndpointState, splits: readonly SplitSpan[], named: Named): Arms {
  const last = splits.map(sharesOf).findLast((shares) => shares.size > 1)
  const names = state.deployments
    .toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
    .map(({ name }) => name)
    .toSorted((a, b) => (last?.get(b) ?? 0) - (last?.get(a) ?? 0))
  const control = named.control ?? names.find((name) => name !== named.treatment)
  const treatment = named.treatment ?? names.find((name) => name !== control)
  if (control !== undefined && treatment !== undefined && control !== treatment) return { control, treatment }
  throw new SelvedgeError(
    'INVALID_REQUEST',
    `an experiment compares two deployments; ${state.name} has ${names.join(', ') || 'none'}`,
  )
}
