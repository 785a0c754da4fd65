/** The last line of a test run: how many passed, failed and were skipped. */
import type { Reporter, TestModule } from 'vitest/node'

export default class Summary implements Reporter {
  readonly counts = { passed: 0, failed: 0, skipped: 0 }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    for (const module of modules) {
      const before = this.counts.failed
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        this.counts[state === 'pending' ? 'failed' : state]++
      }
      // A file that cannot be read, or whose preparation fails, has no test that failed.
      if (module.state() === 'failed' && this.counts.failed === before) this.counts.failed++
    }
    this.counts.failed += errors.length
    // Behind what the other reporters still have to say.
    process.once('exit', () => {
      const { passed, failed, skipped } = this.counts
      console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
    })
  }
}
