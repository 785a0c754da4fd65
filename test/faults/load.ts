/** Requests to endpoint `e` of the test registry, which answers a + 2b. */

export function scoreOf(url: string, a: number, b: number): Promise<Response> {
  return fetch(`${url}/v2/models/e/score`, { method: 'POST', body: JSON.stringify({ records: [{ a, b }] }) })
}

export async function readValue(answer: Response): Promise<[version: string, value: number | undefined]> {
  const { model_version, predictions } = (await answer.json()) as {
    model_version: string
    predictions: { value: number }[]
  }
  return [model_version, predictions[0]?.value]
}

/** Requests without a pause until it is told to stop; `check` says what is wrong with an answer. */
export function keepAsking(
  url: string,
  connections: number,
  check: (answer: Response) => Promise<string | undefined>,
): { asked(): number; stop(): Promise<string[]> } {
  const wrong: string[] = []
  let asked = 0
  let stopped = false
  const asking = Array.from({ length: connections }, async () => {
    while (!stopped) {
      asked++
      const found = await scoreOf(url, asked % 7, 1).then(check, (thrown) => `no answer: ${thrown.cause?.code}`)
      if (found !== undefined) wrong.push(found)
    }
  })
  return {
    asked: () => asked,
    async stop() {
      stopped = true
      await Promise.all(asking)
      return wrong
    },
  }
}
