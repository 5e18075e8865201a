import buildSerializer from 'fast-json-stringify';
import type { FastifySerializerCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { oncePerSchema } from './once-per-schema.ts';

const compileOnce = oncePerSchema((schema) => buildSerializer(schema));

/** Serializes answers, as Fastify does by itself. */
export const compileSerializer: FastifySerializerCompiler<TSchema> = ({ schema }) => {
  return (data) => compileOnce(schema)(data);
};
