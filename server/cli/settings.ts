/** Where the command line finds its servers: SELVEDGE_REGISTRY, SELVEDGE_SCORING and SELVEDGE_TOKEN. */
import { SelvedgeError } from '../../runtime/errors.ts'

export interface Settings {
  /** Base addresses, ending in a slash. */
  registry: string
  scoring: string
  token?: string | undefined
}

export const defaultPorts = { registry: 4400, scoring: 4401 } as const

/** @throws {@link SelvedgeError} `USAGE` where a variable holds no http address */
export function parseSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  return {
    registry: parseBase('SELVEDGE_REGISTRY', env.SELVEDGE_REGISTRY || `http://127.0.0.1:${defaultPorts.registry}`),
    scoring: parseBase('SELVEDGE_SCORING', env.SELVEDGE_SCORING || `http://127.0.0.1:${defaultPorts.scoring}`),
    token: env.SELVEDGE_TOKEN || undefined,
  }
}

function parseBase(variable: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new SelvedgeError('USAGE', `${variable}: want an address such as http://127.0.0.1:4400`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new SelvedgeError('USAGE', `${variable} holds a password: put the token into SELVEDGE_TOKEN`)
  }
  return url.href.endsWith('/') ? url.href : `${url.href}/`
}
