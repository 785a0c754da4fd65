/** Ensembles: deployments of several versions, each a step whose inputs and outputs are named tensors. */
import { z } from 'zod'
import { feature, outputMeaning, tensorSignature } from './description.ts'
import { name } from './names.ts'
import { resources } from './resources.ts'

/** A tensor that a step makes or takes; one that no step makes is an input of the ensemble. */
const tensor = z.string().min(1).max(128)

/** Tensors by the names that the network has for them. */
const tensorMap = z.record(z.string().min(1).max(512), tensor)

export const ensembleStep = z.strictObject({
  model: name,
  version: z.int().min(1),
  /** Every input of the network. */
  inputs: tensorMap,
  /** Those that somebody takes. */
  outputs: tensorMap,
})

export type EnsembleStep = z.infer<typeof ensembleStep>

/** What is put for a deployment; the registry brings the steps into an order in which they can run. */
export const ensemble = z.strictObject({
  kind: z.literal('ensemble'),
  steps: z.array(ensembleStep).max(16),
  /** Tensors that the ensemble answers with. */
  outputs: z.array(tensor).max(1000),
  resources: resources.optional(),
})

/** What a caller sees of an ensemble. */
export const ensembleSignature = z.object({
  /** Tensors that no step makes. */
  inputs: z.array(tensorSignature).min(1).max(1000),
  outputs: z.array(tensorSignature).min(1).max(1000),
  /** Of the steps that take the inputs. */
  features: z.array(feature).min(1).max(10_000).optional(),
  /** Of the step that makes the first output whose meaning is known. */
  output: outputMeaning.optional(),
})

export type EnsembleSignature = z.infer<typeof ensembleSignature>

/** The deployment in a plan that a step runs: the ensemble's name and the step's place from 1. */
export const stepName = z
  .string()
  .max(132)
  .regex(/^[a-z0-9][a-z0-9._-]*\/[1-9][0-9]?$/, 'the name of an ensemble, a slash, the place of the step')

/** How a host puts steps together; the versions that they run stand among the plan's deployments. */
export const planEnsemble = z.strictObject({
  name,
  /** Revision of the plan with which its steps came: what it is counted and pinned under. */
  version: z.int().min(1),
  ...ensembleSignature.shape,
  /** In an order in which they can run. */
  steps: z
    .array(z.strictObject({ deployment: stepName, inputs: tensorMap, outputs: tensorMap }))
    .min(1)
    .max(16),
  resources: resources.optional(),
})

export type PlanEnsemble = z.infer<typeof planEnsemble>

/** What stands for the variant in the counts of an ensemble, whose steps may each run another. */
export const ensembleVariant = 'ensemble'
