/** Budget: the bytes of all bodies that a front holds at once, counted as they arrive. */
import { SelvedgeError } from '../../runtime/errors.ts'

export interface Budget {
  /** Bytes held now. */
  readonly bytes: number
  /**
   * Runs `task`; what it takes is given back when it ends.
   *
   * @param task - its `take` throws `QUEUE_FULL` where the bytes do not fit
   */
  during<Result>(task: (take: (bytes: number) => void) => Promise<Result>): Promise<Result>
}

export function openBudget(mostBytes: number): Budget {
  let held = 0
  return {
    get bytes() {
      return held
    },
    async during(task) {
      let taken = 0
      const take = (bytes: number) => {
        if (held + bytes > mostBytes) {
          throw new SelvedgeError('QUEUE_FULL', `bodies of ${held} bytes wait already, at most ${mostBytes}`)
        }
        held += bytes
        taken += bytes
      }
      try {
        return await task(take)
      } finally {
        held -= taken
      }
    },
  }
}
