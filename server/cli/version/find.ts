/** The version that a reference names: by number, by alias, or the newest. */
import type { ModelVersion } from '../../../runtime/contract/control.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Client } from '../client.ts'
import type { ModelReference } from '../names.ts'

/** @throws {@link SelvedgeError} `NAME_UNKNOWN`, `NOT_FOUND` */
export async function findVersion(client: Client, { model, version, alias }: ModelReference): Promise<ModelVersion> {
  if (version !== undefined) return await client.version(model, version)
  if (alias !== undefined) {
    const pointed = (await client.aliases(model)).find((each) => each.alias === alias)
    if (pointed !== undefined) return await client.version(model, pointed.version)
    throw new SelvedgeError('NOT_FOUND', `model ${model} has no alias "${alias}"`)
  }
  const newest = (await client.versions(model)).at(-1)
  if (newest !== undefined) return newest
  throw new SelvedgeError('NAME_UNKNOWN', `model "${model}" has no version`)
}
