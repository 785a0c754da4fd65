import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { emptyType, forms, imageType, indexType, pushForm } from './forms.ts'
import { bytesOf, type Client, digestOf, openClient, textOf } from './registry.ts'

let client: Client
beforeAll(async () => {
  client = await openClient()
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
})

describe('OCI Distribution 1.1, Listing Tags', () => {
  const repository = 'conformance/tags'
  const tags = ['a', 'B', 'c.1', 'd_2', 'e-3', '0']
  beforeAll(async () => {
    const form = forms['Empty Index'] ?? { manifests: [], blobs: [] }
    for (const tag of tags) await pushForm(client, repository, form, tag)
  })

  const list = async (query = '') => {
    const answer = await client.call('GET', `/v2/${repository}/tags/list${query}`)
    return { status: answer.status, body: JSON.parse(textOf(answer.bytes)), link: answer.headers.get('link') }
  }

  test('gives all of them in lexical order', async () => {
    expect(await list()).toEqual({ status: 200, body: { name: repository, tags: [...tags].sort() }, link: null })
  })

  test('n gives so many and a Link to the rest; n=0 gives none', async () => {
    expect((await list('?n=0')).body.tags).toEqual([])
    const found: string[] = []
    let query: string | undefined = '?n=2'
    while (query !== undefined) {
      const page: Awaited<ReturnType<typeof list>> = await list(query)
      expect(page.body.tags.length).toBeLessThanOrEqual(2)
      found.push(...page.body.tags)
      query = /^<[^?]*(\?[^>]*)>; rel="next"$/.exec(page.link ?? '')?.[1]
    }
    expect(found).toEqual([...tags].sort())
  })

  test('last gives those after it and not itself, whether it is there or not', async () => {
    const sorted = [...tags].sort()
    expect((await list(`?last=${sorted[2]}`)).body.tags).toEqual(sorted.slice(3))
    expect((await list('?last=b')).body.tags).toEqual(sorted.filter((tag) => tag > 'b'))
    expect((await list(`?n=1&last=${sorted[0]}`)).body.tags).toEqual([sorted[1]])
  })

  test('of a repository that is not there is 404 NAME_UNKNOWN', async () => {
    const answer = await client.call('GET', '/v2/conformance/nothing/tags/list')
    expect([answer.status, answer.code]).toEqual([404, 'NAME_UNKNOWN'])
  })
})

describe('OCI Distribution 1.1, Listing Referrers', () => {
  const list = async (repository: string, subject: string, query = '') => {
    const answer = await client.call('GET', `/v2/${repository}/referrers/${subject}${query}`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, indexType])
    return { headers: answer.headers, index: JSON.parse(textOf(answer.bytes)) }
  }

  for (const name of ['Artifacts with Subject', 'Index with Subject', 'Missing Subject']) {
    test(`gives descriptors with type, size, artifactType and annotations: ${name}`, async () => {
      const repository = `conformance/${name.toLowerCase().replaceAll(' ', '-')}`
      const form = forms[name] ?? { manifests: [], blobs: [] }
      await pushForm(client, repository, form, 'tag')
      const referring = form.manifests.filter(({ subject }) => subject !== undefined)
      const subject = referring[0]?.subject ?? ''
      const wanted = referring.map(({ bytes, mediaType }) => {
        const { artifactType, annotations } = JSON.parse(textOf(bytes))
        return { mediaType, digest: digestOf(bytes), size: bytes.length, artifactType, annotations }
      })
      const { index, headers } = await list(repository, subject)
      expect(index).toMatchObject({ schemaVersion: 2, mediaType: indexType })
      expect(headers.get('oci-filters-applied')).toBeNull()
      expect(index.manifests).toHaveLength(2)
      expect(index.manifests).toEqual(expect.arrayContaining(wanted))
      for (const { artifactType } of wanted) {
        const filtered = await list(repository, subject, `?artifactType=${encodeURIComponent(artifactType)}`)
        expect(filtered.headers.get('oci-filters-applied')).toBe('artifactType')
        expect(filtered.index.manifests).toEqual(wanted.filter((each) => each.artifactType === artifactType))
      }
    })
  }

  test('an image without artifactType is listed with its config’s media type', async () => {
    const config = bytesOf('{}')
    const subject = { mediaType: imageType, digest: digestOf(bytesOf('missing')), size: 3 }
    const manifest = bytesOf({
      schemaVersion: 2,
      mediaType: imageType,
      config: { mediaType: emptyType, digest: digestOf(config), size: 2 },
      layers: [],
      subject,
    })
    await pushForm(
      client,
      'conformance/typeless',
      { blobs: [config], manifests: [{ bytes: manifest, mediaType: imageType }] },
      't',
    )
    const { index } = await list('conformance/typeless', subject.digest)
    expect(index.manifests).toMatchObject([{ artifactType: emptyType }])
  })

  test('of a subject or a repository that is not there is an empty index, of what is no digest 400', async () => {
    const digest = digestOf(bytesOf('nothing'))
    for (const repository of ['conformance/typeless', 'conformance/nothing']) {
      expect((await list(repository, digest)).index.manifests).toEqual([])
    }
    expect((await client.call('GET', '/v2/conformance/typeless/referrers/sha256:bad')).status).toBe(400)
  })
})
