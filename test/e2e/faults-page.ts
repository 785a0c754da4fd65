/** The page of the fault tests: what it can do, by name, for `page.evaluate`. */

export const faultsPage = (registry: string, options: object): string => `<!doctype html><script type="module">
  import { connect } from '${registry}/runtime/1.30.0/client.js'
  const record = { beak_length_mm: 39.1, flipper_length_mm: 181, island: 'Torgersen', sex: null }
  globalThis.events = []
  globalThis.ask = async () => {
    const { class: name, scores, provider, why } = await penguins.score(record)
    return { class: name, score: scores[name], provider, why }
  }
  globalThis.askAll = (count) => Promise.all(Array.from({ length: count }, ask))
  globalThis.askAroundLoss = async (duringRun) => {
    const before = Array.from({ length: 4 }, ask)
    if (duringRun) await Promise.race(before)
    const destroyed = penguins.rehearseDeviceLoss()
    const lostAt = performance.now()
    const after = Array.from({ length: 4 }, ask)
    await Promise.race(after)
    globalThis.firstAnswerMs = performance.now() - lostAt
    await destroyed
    return await Promise.all([...before, ...after, ask()])
  }
  globalThis.start = async (providers) => {
    const onEvent = (event) => events.push(event)
    globalThis.penguins = await connect('${registry}', 'penguins', { ...${JSON.stringify(options)}, providers, onEvent })
  }
</script>`
