/** The models of ONNX's backend tests that no build of ONNX Runtime 1.30 loads, with the kernel that it lacks. */

// They are of opset 6; the kernels of these operators begin with opset 7, which changed broadcasting.
export const unsupported: Readonly<Record<string, string>> = {
  test_operator_add_broadcast: 'Add(6)',
  test_operator_add_size1_broadcast: 'Add(6)',
  test_operator_add_size1_right_broadcast: 'Add(6)',
  test_operator_add_size1_singleton_broadcast: 'Add(6)',
  test_operator_addconstant: 'Add(6)',
  test_operator_addmm: 'Gemm(6)',
  test_operator_basic: 'Add(6)',
  test_operator_mm: 'Gemm(6)',
  test_operator_non_float_params: 'Add(6)',
  test_operator_params: 'Add(6)',
  test_operator_pow: 'Pow(1)',
}
