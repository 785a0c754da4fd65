/** The datatypes of ONNX (TensorProto.DataType) in one table: number, name, bits, Open Inference Protocol datatype. */
import type { Datatype } from '../contract/datatype.ts'

export interface OnnxDatatype {
  name: string
  /** Of one element; 0 for text. */
  bits: number
  /** The field of TensorProto that holds elements when they are not raw bytes. */
  field: 'floats' | 'doubles' | 'int32s' | 'int64s' | 'uint64s' | 'strings'
  /** Absent where the Open Inference Protocol has none. */
  datatype?: Datatype
}

export const onnxDatatypes: Readonly<Record<number, OnnxDatatype>> = {
  1: { name: 'float', bits: 32, field: 'floats', datatype: 'FP32' },
  2: { name: 'uint8', bits: 8, field: 'int32s', datatype: 'UINT8' },
  3: { name: 'int8', bits: 8, field: 'int32s', datatype: 'INT8' },
  4: { name: 'uint16', bits: 16, field: 'int32s', datatype: 'UINT16' },
  5: { name: 'int16', bits: 16, field: 'int32s', datatype: 'INT16' },
  6: { name: 'int32', bits: 32, field: 'int32s', datatype: 'INT32' },
  7: { name: 'int64', bits: 64, field: 'int64s', datatype: 'INT64' },
  8: { name: 'string', bits: 0, field: 'strings', datatype: 'BYTES' },
  9: { name: 'bool', bits: 8, field: 'int32s', datatype: 'BOOL' },
  10: { name: 'float16', bits: 16, field: 'int32s', datatype: 'FP16' },
  11: { name: 'double', bits: 64, field: 'doubles', datatype: 'FP64' },
  12: { name: 'uint32', bits: 32, field: 'uint64s', datatype: 'UINT32' },
  13: { name: 'uint64', bits: 64, field: 'uint64s', datatype: 'UINT64' },
  14: { name: 'complex64', bits: 64, field: 'floats' },
  15: { name: 'complex128', bits: 128, field: 'doubles' },
  16: { name: 'bfloat16', bits: 16, field: 'int32s' },
  17: { name: 'float8e4m3fn', bits: 8, field: 'int32s' },
  18: { name: 'float8e4m3fnuz', bits: 8, field: 'int32s' },
  19: { name: 'float8e5m2', bits: 8, field: 'int32s' },
  20: { name: 'float8e5m2fnuz', bits: 8, field: 'int32s' },
  21: { name: 'uint4', bits: 4, field: 'int32s' },
  22: { name: 'int4', bits: 4, field: 'int32s' },
  23: { name: 'float4e2m1', bits: 4, field: 'int32s' },
  24: { name: 'float8e8m0', bits: 8, field: 'int32s' },
  25: { name: 'uint2', bits: 2, field: 'int32s' },
  26: { name: 'int2', bits: 2, field: 'int32s' },
}

export const onnxNumbers = Object.fromEntries(
  Object.entries(onnxDatatypes).flatMap(([number, { datatype }]) => (datatype ? [[datatype, Number(number)]] : [])),
) as Readonly<Record<Datatype, number>>
