import { afterEach, describe, expect, test } from 'vitest'
import '../../browser/progress.ts'
import type { SelvedgeProgress } from '../../browser/progress.ts'

function show(html = '<selvedge-progress></selvedge-progress>'): SelvedgeProgress {
  document.body.innerHTML = html
  const element = document.querySelector('selvedge-progress')
  if (element === null) throw new Error('the page has no such element')
  return element
}

function shown(element: SelvedgeProgress) {
  const bar = element.shadowRoot?.querySelector('[role=progressbar]')
  return {
    text: element.shadowRoot?.querySelector('[role=status]')?.textContent,
    name: bar?.getAttribute('aria-label'),
    now: bar?.getAttribute('aria-valuenow'),
    spoken: bar?.getAttribute('aria-valuetext'),
    width: bar?.firstElementChild?.getBoundingClientRect().width,
  }
}

describe('<selvedge-progress>', () => {
  afterEach(() => {
    document.body.innerHTML = ''
  })

  test('follows the events of connect, adding the bytes of deployments that load together', () => {
    const element = show()
    const { follow } = element
    follow({ phase: 'plan' })
    expect(shown(element)).toMatchObject({ text: 'asking for the plan', now: null, name: 'Model' })
    follow({ phase: 'download', deployment: 'blue', doneBytes: 0, totalBytes: 300 })
    follow({ phase: 'download', deployment: 'green', doneBytes: 50, totalBytes: 100 })
    follow({ phase: 'download', deployment: 'blue', doneBytes: 150, totalBytes: 300 })
    expect(shown(element)).toMatchObject({
      text: 'downloading the model',
      now: '50',
      spoken: 'downloading the model, 50 %',
    })
    expect(element.value).toBe(0.5)
    follow({ phase: 'warm-up', deployment: 'blue' })
    expect(shown(element)).toMatchObject({ text: 'warming up', now: null, spoken: 'warming up' })
    follow({ phase: 'ready' })
    expect(shown(element)).toMatchObject({ text: 'ready', now: '100' })
    expect(element.getAttribute('phase')).toBe('ready')
  })

  test('counts from nothing when a page connects again', () => {
    const element = show()
    element.follow({ phase: 'download', deployment: 'blue', doneBytes: 100, totalBytes: 100 })
    element.follow({ phase: 'plan' })
    element.follow({ phase: 'download', deployment: 'green', doneBytes: 0, totalBytes: 100 })
    expect(element.value).toBe(0)
  })

  test('reads its attributes, and takes what it does not know as the beginning', () => {
    const element = show('<selvedge-progress phase="compile" value="1.7" label="Digits"></selvedge-progress>')
    expect(shown(element)).toMatchObject({ text: 'Digits: preparing the model', name: 'Digits', now: '100' })
    element.setAttribute('phase', 'toString')
    element.setAttribute('value', 'much')
    expect(shown(element)).toMatchObject({ text: 'Digits: asking for the plan', now: null })
    expect([element.phase, element.value]).toEqual(['plan', undefined])
  })

  test('shows why loading failed and throws it on', async () => {
    const element = show()
    const refused = new Error('no answer from the registry')
    await expect(Promise.reject(refused).catch(element.fail)).rejects.toBe(refused)
    expect(element.phase).toBe('failed')
    expect(shown(element)).toMatchObject({ text: 'no answer from the registry', now: null })
  })

  test('fills its width by the share that is done', () => {
    const element = show()
    element.style.width = '200px'
    element.shadowRoot?.querySelector('i')?.style.setProperty('transition', 'none')
    element.follow({ phase: 'download', doneBytes: 1, totalBytes: 4 })
    expect(shown(element).width).toBe(50)
  })
})
