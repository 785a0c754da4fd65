/** Which network a request comes from. */
import type { Context } from 'hono'
import type { AppEnv, Services } from './env.ts'

/** Undefined where the app is called without a port. */
export function networkOf(c: Context<AppEnv>, { networks }: Pick<Services, 'networks'>): string | undefined {
  const address = c.env?.incoming?.socket.remoteAddress
  return address === undefined ? undefined : networks.of(address, c.req.header('x-forwarded-for'))
}
