/** What the panels ask of the registry that serves the page. */

export async function readJson<Body>(path: string): Promise<Body> {
  const answer = await fetch(path)
  if (answer.status === 401)
    throw new Error('The registry asks for a token: this panel works on its own machine alone.')
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
  return (await answer.json()) as Body
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
