/** Load that does not wait for answers: requests begin at a steady rate, as those of many callers do. */
import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

export interface Arrival {
  /** 0 where the connection failed. */
  status: number
  /** From the moment at which it was due. */
  ms: number
  /** Moment of `performance.now()` at which it was answered. */
  at: number
}

export interface Callers {
  /** @returns once all were answered */
  arrive(perSecond: number, seconds: number): Promise<Arrival[]>
  close(): void
}

export function openCallers(url: string, body: string): Callers {
  const agent = new Agent({ keepAlive: true })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }

  function arriveAt(due: number): Promise<Arrival> {
    return new Promise((resolve) => {
      const settle = (status: number) => {
        const at = performance.now()
        resolve({ status, ms: at - due, at })
      }
      const asked = request(url, { agent, method: 'POST', headers }, (answer) => {
        answer.once('end', () => settle(answer.statusCode ?? 0))
        answer.once('error', () => settle(0))
        answer.resume()
      })
      asked.once('error', () => settle(0))
      asked.end(body)
    })
  }

  return {
    async arrive(perSecond, seconds) {
      const arrivals: Promise<Arrival>[] = []
      const begin = performance.now()
      for (let i = 0; i < Math.round(perSecond * seconds); i++) {
        const due = begin + (i / perSecond) * 1000
        const early = due - performance.now()
        if (early > 1) await wait(early)
        arrivals.push(arriveAt(due))
      }
      return await Promise.all(arrivals)
    },
    close: () => agent.destroy(),
  }
}
