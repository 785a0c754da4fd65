/** What pages of any origin may send and read (design, section 8). No cookie is looked at, so any origin is fine. */

export const corsHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'inference-header-content-length, selvedge-deployment, selvedge-version, selvedge-provider, selvedge-error, server-timing, retry-after',
}

export const preflightHeaders: Readonly<Record<string, string>> = {
  ...corsHeaders,
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers':
    'content-type, content-encoding, authorization, traceparent, inference-header-content-length, selvedge-unit, selvedge-deployment',
  'access-control-max-age': '7200',
}
