/**
 * Cases of the Open Inference Protocol v2, a clause each, as data: any language can send and compare them. A case names
 * its request to the byte, and of the answer what the protocol fixes. `models.ts` makes the models that they ask.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

/** Parts that follow one another. */
const body = z.array(z.union([z.strictObject({ text: z.string() }), z.strictObject({ base64: z.base64() })]))

const oipCase = z.strictObject({
  name: z.string(),
  /** Of the protocol or of its extensions. */
  clause: z.string(),
  request: z.strictObject({
    method: z.enum(['GET', 'HEAD', 'POST', 'DELETE']),
    path: z.string(),
    headers: z.record(z.string(), z.string()).optional(),
    body: body.optional(),
  }),
  response: z.strictObject({
    status: z.int(),
    headers: z.record(z.string(), z.string()).optional(),
    /** Headers that are so or not there. */
    mayHave: z.record(z.string(), z.string()).optional(),
    /** Headers that are not there. */
    without: z.array(z.string()).optional(),
    /** The body as JSON; the order of fields is free. */
    json: z.unknown().optional(),
    /** The body to the byte. */
    text: z.string().optional(),
    /** The JSON before the tensors, and their bytes in base64. */
    header: z.unknown().optional(),
    binary: z.base64().optional(),
    /** An object that has these fields among others. */
    contains: z.record(z.string(), z.unknown()).optional(),
    has: z.array(z.string()).optional(),
    /** An array that has this item among others. */
    includes: z.unknown().optional(),
    /** `{"error": "…"}` and nothing beside it. */
    error: z.literal(true).optional(),
    empty: z.literal(true).optional(),
  }),
})

type OipCase = z.infer<typeof oipCase>

const folder = new URL('cases/', import.meta.url)

function readCases(): { file: string; cases: OipCase[] }[] {
  return readdirSync(folder)
    .sort()
    .map((file) => ({ file, cases: z.array(oipCase).parse(JSON.parse(readFileSync(new URL(file, folder), 'utf8'))) }))
}

/**
 * Every case as a test.
 *
 * @param base - address of a server that serves the models of `models.ts`, known when the first case runs
 */
export function testCases(base: () => string): void {
  describe.each(readCases())('$file', ({ cases }) => {
    test.each(cases)('$clause: $name', (each) => checkCase(each, base()))
  })
}

async function checkCase({ request, response }: OipCase, base: string): Promise<void> {
  const { method, headers = {}, body: parts } = request
  const answer = await fetch(`${base}${request.path}`, { method, headers, ...(parts && { body: bytesOf(parts) }) })
  const bytes = Buffer.from(await answer.arrayBuffer())
  const text = bytes.toString()
  expect(answer.status, text).toBe(response.status)
  expect(Object.fromEntries(answer.headers)).toMatchObject(response.headers ?? {})
  for (const [name, value] of Object.entries(response.mayHave ?? {})) {
    expect([value, null]).toContain(answer.headers.get(name))
  }
  for (const name of response.without ?? []) expect(answer.headers.has(name), name).toBe(false)
  if (response.json !== undefined) expect(JSON.parse(text)).toEqual(response.json)
  if (response.text !== undefined) expect(text).toBe(response.text)
  if (response.contains !== undefined) expect(JSON.parse(text)).toMatchObject(response.contains)
  if (response.has !== undefined) expect(Object.keys(JSON.parse(text))).toEqual(expect.arrayContaining(response.has))
  if (response.includes !== undefined) expect(JSON.parse(text)).toContainEqual(response.includes)
  if (response.error) expect(JSON.parse(text)).toEqual({ error: expect.any(String) })
  if (response.empty) expect(text).toBe('')
  if (response.binary === undefined) return
  const length = Number(answer.headers.get('inference-header-content-length'))
  expect(JSON.parse(bytes.subarray(0, length).toString())).toEqual(response.header)
  expect(bytes.subarray(length).toString('base64')).toBe(response.binary)
}

function bytesOf(parts: z.infer<typeof body>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    Buffer.concat(parts.map((part) => ('text' in part ? Buffer.from(part.text) : Buffer.from(part.base64, 'base64')))),
  )
}
