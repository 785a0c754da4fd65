/** From the loss of the WebGPU device to an answer. */
import type { Measured, Subject, Task } from '../workloads/task.ts'
import { type Opened, openSubject } from './subject.ts'

type DeviceLoss = Extract<Task, { task: 'device loss' }>

export async function measureDeviceLoss(task: DeviceLoss): Promise<Measured> {
  return task.subject.kind === 'bare' ? await loseBare(task) : await loseOurs(task)
}

async function loseOurs({ subject, until, losses }: DeviceLoss): Promise<Measured> {
  let recovered = (): void => undefined
  const opened = await openSubject(subject, ({ type }) => {
    if (type === 'device_recovered') recovered()
  })
  await expectFrom(opened, 'webgpu')
  const samples: number[] = []
  let answer: number[] = []
  for (let loss = 0; loss < losses; loss++) {
    const back = new Promise<void>((resolve) => {
      recovered = resolve
    })
    const began = performance.now()
    await opened.destroyDevice()
    answer = await expectFrom(opened, 'wasm')
    if (until === 'answer') samples.push(performance.now() - began)
    await back
    await expectFrom(opened, 'webgpu')
    if (until === 'webgpu') samples.push(performance.now() - began)
  }
  await opened.close()
  return { samples, answer }
}

// Without us a page ends the worker, whose ONNX Runtime makes no session on another device, and starts a new one.
async function loseBare({ subject, until, losses }: DeviceLoss): Promise<Measured> {
  const next: Subject = { ...subject, provider: until === 'answer' ? 'wasm' : 'webgpu' }
  const samples: number[] = []
  let answer: number[] = []
  for (let loss = 0; loss < losses; loss++) {
    const opened = await openSubject(subject)
    await opened.run()
    const began = performance.now()
    await opened.destroyDevice()
    // The run that fails is how a page learns of it.
    const isAnswered = await opened.run().then(
      () => true,
      () => false,
    )
    if (isAnswered) throw new Error('a device answered after it was destroyed')
    await opened.close()
    const again = await openSubject(next)
    answer = Array.from((await again.run()).data)
    samples.push(performance.now() - began)
    await again.close()
  }
  return { samples, answer }
}

async function expectFrom(opened: Opened, wanted: string): Promise<number[]> {
  const { data, provider } = await opened.run()
  if (provider !== wanted) throw new Error(`${provider} answered, want ${wanted}`)
  return Array.from(data)
}
