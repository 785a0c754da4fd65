import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FolderStore, openFolderStore } from '../../server/folder-store.ts'

const blob = `sha256:${'a'.repeat(64)}` as const

describe('a ModelStore in a folder', () => {
  let folder: string
  let store: FolderStore

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-store-'))
    store = openFolderStore(join(folder, 'made', 'on', 'demand'))
  })

  afterEach(() => rm(folder, { recursive: true }))

  test('gives back the chunks that were written, and no other', async () => {
    await store.writeChunk(blob, 1, Uint8Array.of(1, 2, 3))
    const into = new Uint8Array(3)
    expect(await store.readChunk(blob, 1, into)).toBe(true)
    expect(into).toEqual(Uint8Array.of(1, 2, 3))
    expect(await store.readChunk(blob, 0, into)).toBe(false)
    expect(await store.readChunk(`sha256:${'b'.repeat(64)}`, 1, into)).toBe(false)
  })

  test('a chunk of another length is not there', async () => {
    await store.writeChunk(blob, 0, Uint8Array.of(1, 2, 3))
    expect(await store.readChunk(blob, 0, new Uint8Array(2))).toBe(false)
    await truncate(join(folder, 'made', 'on', 'demand', 'chunks', 'a'.repeat(64), '0'), 1)
    expect(await store.readChunk(blob, 0, new Uint8Array(3))).toBe(false)
  })

  test('writing again replaces, from two stores at once too, and leaves no file aside', async () => {
    const other = openFolderStore(join(folder, 'made', 'on', 'demand'))
    await Promise.all([store, other].map((each) => each.writeChunk(blob, 0, Uint8Array.of(7))))
    await store.writeChunk(blob, 0, Uint8Array.of(8))
    const into = new Uint8Array(1)
    expect([await other.readChunk(blob, 0, into), into[0]]).toEqual([true, 8])
    expect(await readdir(join(folder, 'made', 'on', 'demand', 'chunks', 'a'.repeat(64)))).toEqual(['0'])
  })

  test('documents and plans come back whole; a plan belongs to its registry', async () => {
    await store.writeDocument(blob, Uint8Array.of(9))
    expect(Array.from((await store.readDocument(blob)) ?? [])).toEqual([9])
    await store.writePlan('http://a', 'e', 'jws')
    expect([await store.readPlan('http://a', 'e'), await store.readPlan('http://b', 'e')]).toEqual(['jws', undefined])
  })

  test('a folder that cannot be written to is an error', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    await expect(openFolderStore(file).writeDocument(blob, Uint8Array.of(1))).rejects.toThrow('ENOTDIR')
  })
})
