/** What an outcome comes to for one unit: of truth values whether one was true, else the sum. */

export interface Value {
  add(told: number | boolean): void
  /** Whether a truth value was told: numbers beside one count for nothing. */
  readonly isTruth: boolean
  /** Undefined where nothing was told. */
  read(): number | undefined
}

export function openValue(): Value {
  let value: number | undefined
  let isTruth = false
  return {
    add(told) {
      if (typeof told === 'boolean') {
        value = Math.max(isTruth ? (value ?? 0) : 0, Number(told))
        isTruth = true
      } else if (!isTruth) value = (value ?? 0) + told
    },
    get isTruth() {
      return isTruth
    },
    read: () => value,
  }
}
