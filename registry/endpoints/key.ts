/** The key that signs plans: Ed25519, made at the first start, kept in the data folder for its owner alone. */
import { randomUUID } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { SelvedgeError } from '../../runtime/errors.ts'
import { hasCode, syncFolder } from '../blobs/durable.ts'

export interface PlanKey {
  /** First 16 characters of the key's thumbprint (RFC 7638). */
  kid: string
  /** `ed25519:` and the 32 raw bytes of the public key in base64url: what hosts pin. */
  pin: string
  /** A compact JWS over the bytes; the same bytes give the same text. */
  sign(payload: Uint8Array): Promise<string>
}

/** @throws {@link SelvedgeError} `REFUSED_TO_START` where the file is there and holds no such key */
export async function openPlanKey(dataDir: string): Promise<PlanKey> {
  const file = join(dataDir, 'plan-key.json')
  const jwk = (await readKey(file)) ?? (await createKey(file))
  const key = await importJWK({ ...jwk, alg: 'Ed25519' }, 'Ed25519')
  const kid = (await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: jwk.x })).slice(0, 16)
  return {
    kid,
    pin: `ed25519:${jwk.x}`,
    sign: (payload) =>
      new CompactSign(payload).setProtectedHeader({ alg: 'Ed25519', kid, typ: 'selvedge-plan+jws' }).sign(key),
  }
}

type Ed25519Key = { kty: 'OKP'; crv: 'Ed25519'; x: string; d: string }

async function readKey(file: string): Promise<Ed25519Key | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return undefined
    throw thrown
  }
  const refused = new SelvedgeError('REFUSED_TO_START', 'plan-key.json in the data folder holds no Ed25519 key')
  try {
    const jwk = JSON.parse(text) as Partial<JWK>
    const isRaw = (value: unknown) => typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value)
    if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519' && isRaw(jwk.x) && isRaw(jwk.d)) return jwk as Ed25519Key
  } catch (cause) {
    refused.cause = cause
  }
  throw refused
}

async function createKey(file: string): Promise<Ed25519Key> {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true })
  const { x, d } = (await exportJWK(privateKey)) as Ed25519Key
  const jwk: Ed25519Key = { kty: 'OKP', crv: 'Ed25519', x, d }
  const temporary = `${file}.${randomUUID()}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(jwk)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await syncFolder(dirname(file))
  return jwk
}
