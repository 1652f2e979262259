// The part of the WebAssembly interface that measuring uses; Node's own types leave it to the browser's.

export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WasmInterface {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule;
  readonly Memory: new (options: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => WasmMemory;
  readonly Instance: new (
    module: WasmModule,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

export const wasm: WasmInterface = (globalThis as unknown as { readonly WebAssembly: WasmInterface })
  .WebAssembly;

/** Bytes of a page of a WebAssembly memory. */
export const WASM_PAGE_BYTES = 65_536;
