/** Headers of every answer of the scoring plane: what pages of any origin may send and read (design, section 8). */

// No cookie is looked at, so that any origin is as good as another.
export const commonHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': [
    'inference-header-content-length',
    'selvedge-deployment',
    'selvedge-version',
    'selvedge-provider',
    'selvedge-error',
    'server-timing',
    'retry-after',
  ].join(', '),
  'x-content-type-options': 'nosniff',
  vary: 'accept-encoding',
}

export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': [
    'content-type',
    'content-encoding',
    'authorization',
    'traceparent',
    'inference-header-content-length',
    'selvedge-unit',
    'selvedge-attributes',
    'selvedge-deployment',
    'selvedge-timeout',
    'selvedge-compat',
  ].join(', '),
  'access-control-max-age': '7200',
}
