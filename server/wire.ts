/** One end of the line between front and scorer: frames over a socket, gathered per turn of the event loop. */
import type { Socket } from 'node:net'
import { encodeFrame, type Frame, type FrameMeta, type FrameType, openFrameReader } from './protocol.ts'
import { release } from './release.ts'

export interface Wire {
  /** @param bodies - whose buffers nobody else may need where they are `given`: they are released once they are written */
  send<T extends FrameType>(
    type: T,
    id: number,
    meta: FrameMeta[T],
    bodies?: readonly Uint8Array[],
    given?: 'given',
  ): void
  /** Ends the line; the other end sees it closed. */
  close(): void
}

/** @param closed - called once, when the line can carry nothing more */
export function openWire(socket: Socket, receive: (frame: Frame) => void, closed: () => void): Wire {
  const reader = openFrameReader(receive)
  let corked = false
  socket.on('data', (chunk: Uint8Array) => reader.push(chunk))
  // The other process may die at any moment, with a write on its way.
  socket.on('error', () => socket.destroy())
  socket.once('close', closed)

  function uncork(): void {
    corked = false
    socket.uncork()
  }

  return {
    send(type, id, meta, bodies, given) {
      if (socket.destroyed) return
      if (!corked) {
        corked = true
        socket.cork()
        setImmediate(uncork)
      }
      for (const part of encodeFrame(type, id, meta, bodies)) {
        if (part.length > 0) socket.write(part, given && bodies?.includes(part) ? () => release(part) : undefined)
      }
    },
    close: () => socket.end(),
  }
}
