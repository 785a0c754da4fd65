/** Globals of a worker that TypeScript's DOM library lacks; its worker library cannot be loaded beside it. */

type FileSystemSyncAccessHandleMode = 'read-only' | 'readwrite'

interface FileSystemSyncAccessHandle {
  read(into: Uint8Array, options: { at: number }): number
  write(bytes: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  getSize(): number
  flush(): void
  close(): void
}

interface FileSystemFileHandle {
  /** Browsers that do not know the mode open exclusively. */
  createSyncAccessHandle(options: { mode: FileSystemSyncAccessHandleMode }): Promise<FileSystemSyncAccessHandle>
}

declare const FileSystemSyncAccessHandle: { prototype: FileSystemSyncAccessHandle }
