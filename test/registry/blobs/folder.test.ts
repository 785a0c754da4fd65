import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFolderBlobs } from '../../../registry/blobs/folder.ts'
import { blobsContract, type OpenBlobs } from './blobs.contract.ts'

async function openFolder(): Promise<OpenBlobs & { root: string }> {
  const root = mkdtempSync(join(tmpdir(), 'selvedge-blobs-'))
  const blobs = await openFolderBlobs(root)
  return {
    root,
    blobs,
    reopen: () => openFolderBlobs(root),
    async stored() {
      const entries = readdirSync(root, { recursive: true, withFileTypes: true })
      return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
    },
    async [Symbol.asyncDispose]() {
      await blobs.close()
      rmSync(root, { recursive: true })
    },
  }
}

blobsContract('a folder', openFolder)

test('what a killed process left half written is gone after the next start', async () => {
  await using opened = await openFolder()
  writeFileSync(join(opened.root, 'incoming', 'half'), 'hel')
  await openFolderBlobs(opened.root)
  expect(await opened.stored()).toEqual([])
})
