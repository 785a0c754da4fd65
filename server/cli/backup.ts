/** `selvedge backup` and `selvedge restore`: copy what a registry keeps into a folder, and back. */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { z } from 'zod'
import { decodeError, type ErrorMessage, SelvedgeError } from '../../runtime/errors.ts'
import { openContext } from './context.ts'
import { renderBytes } from './table.ts'

interface Flags {
  data: string
}

export function addBackup(program: Command): void {
  program
    .command('backup')
    .description(
      'Copy what a registry keeps, also while it runs: database, blobs (each proven by its digest), plan key.',
    )
    .argument('<folder>', 'a new or empty one; whoever reads it can sign plans')
    .option('--data <folder>', 'what the registry was started with', './.selvedge')
    .action(async (folder: string, _, command: Command) => {
      const { options, output } = openContext<Flags>(command)
      const copied = await copy(options.data, folder)
      output.result(copied, () => `${renderCopied(copied)} in ${folder}\n`)
      refuseDamage(copied)
    })
}

export function addRestore(program: Command): void {
  program
    .command('restore')
    .description('Make a data folder out of a backup; a registry that is started with it signs with the same key.')
    .argument('<folder>', 'made by `selvedge backup`')
    .option('--data <folder>', 'a new or empty one', './.selvedge')
    .action(async (folder: string, _, command: Command) => {
      const { options, output } = openContext<Flags>(command)
      const copied = await copy(folder, options.data)
      output.result(copied, () => `${renderCopied(copied)} in ${options.data}\n`)
      refuseDamage(copied)
    })
}

const copiedForm = z.object({ blobs: z.int(), bytes: z.int(), damaged: z.array(z.string()) })

type Copied = z.infer<typeof copiedForm>

const answer = z.union([
  z.object({ copied: copiedForm }),
  z.object({ refused: z.custom<ErrorMessage>((value) => typeof value === 'object' && value !== null) }),
])

// A process of the registry's own: the command line knows nothing of how it stores.
async function copy(from: string, into: string): Promise<Copied> {
  const entry = new URL(`../../registry/backup/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
  const args = [fileURLToPath(entry), '--from', resolve(from), '--into', resolve(into)]
  const stdout = await new Promise<string>((done) => execFile(process.execPath, args, (_, text) => done(text)))
  const parsed = answer.safeParse(stdout === '' ? undefined : JSON.parse(stdout))
  if (!parsed.success) throw new SelvedgeError('INTERNAL', 'the process that copies ended without an answer')
  if ('refused' in parsed.data) throw decodeError(parsed.data.refused)
  return parsed.data.copied
}

function renderCopied({ blobs, bytes }: Copied): string {
  return `Database, plan key and ${blobs} blobs of ${renderBytes(bytes)}`
}

// All else was copied, but whoever relies on the copy has to know.
function refuseDamage({ damaged }: Copied): void {
  if (damaged.length === 0) return
  throw new SelvedgeError('BLOB_CORRUPT', `damaged or gone where they were copied from: ${damaged.join(', ')}`)
}
