/** The version that a reference names: by number, by alias, or the newest. */
import type { ModelVersion } from '../../../runtime/contract/control.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Context } from '../context.ts'
import type { ModelReference } from '../names.ts'
import { resolveReference } from '../oci.ts'

/** @throws {@link SelvedgeError} `NAME_UNKNOWN`, `NOT_FOUND` */
export async function findVersion(
  { client, registry }: Pick<Context<unknown>, 'client' | 'registry'>,
  { model, version, alias }: ModelReference,
): Promise<ModelVersion> {
  if (version !== undefined) return await client.version(model, version)
  const versions = await client.versions(model)
  if (versions.length === 0) throw new SelvedgeError('NAME_UNKNOWN', `model "${model}" has no version`)
  const manifest = alias === undefined ? undefined : await findAlias(registry, model, alias)
  const found = versions.findLast((each) => manifest === undefined || each.manifest === manifest)
  if (found !== undefined) return found
  throw new SelvedgeError('NOT_FOUND', `"${alias}" of ${model} is a tag of something that is no version`)
}

async function findAlias(registry: Context<unknown>['registry'], model: string, alias: string): Promise<string> {
  try {
    return await resolveReference(registry, model, alias)
  } catch (thrown) {
    // The answer to HEAD has no body that could say what is unknown.
    if (!(thrown instanceof SelvedgeError) || thrown.status !== 404) throw thrown
    throw new SelvedgeError('NOT_FOUND', `model ${model} has no alias "${alias}"`, {}, { cause: thrown })
  }
}
