import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openChanges } from '../../../registry/store/changes.ts'

const windowOf = (minute: number) => `2026-11-24T10:${String(minute).padStart(2, '0')}:00.000Z`

describe('changes of a day', () => {
  test('since a version are told by the lowest window that was counted after it', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 59 }), { maxLength: 30 }), fc.nat({ max: 30 }), (minutes, asked) => {
        const changes = openChanges()
        let since = 0
        for (const [i, minute] of minutes.entries()) {
          if (i === asked) since = changes.since('e', '2026-11-24', 0).version
          changes.counted('e', windowOf(minute))
          changes.counted('f', windowOf(0))
        }
        if (since === 0) return
        const { lowest } = changes.since('e', '2026-11-24', since)
        expect(lowest).toBe(windowOf(Math.min(...minutes.slice(asked))))
      }),
    )
  })

  test('are none where nothing was counted since', () => {
    const changes = openChanges()
    changes.counted('e', windowOf(1))
    const { version } = changes.since('e', '2026-11-24', 0)
    changes.counted('e', '2026-11-25T00:00:00.000Z')
    expect(changes.since('e', '2026-11-24', version).lowest).toBeUndefined()
  })

  test('are all of the day where the version is of another process, or was forgotten', () => {
    const changes = openChanges()
    const { version, lowest } = changes.since('e', '2026-11-24', 0)
    expect(lowest).toBe('2026-11-24')
    for (let i = 0; i < 1001; i++) changes.counted(`e${i}`, windowOf(0))
    expect(changes.since('e', '2026-11-24', version).lowest).toBe('2026-11-24')
  })
})
