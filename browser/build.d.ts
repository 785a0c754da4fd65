/** What the build puts in (vite.config.ts). */

/** Version of onnxruntime-web, as in the address of the runtime's files. */
declare const ORT_VERSION: string

/** Digests of the `.wasm` files of that version, by name. */
declare const WASM_DIGESTS: Readonly<Record<string, `sha256:${string}`>>

declare module 'virtual:worker-digest' {
  /** SHA-256 of worker.js in hexadecimal. */
  const digest: string
  export default digest
}
