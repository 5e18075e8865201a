export type Method = 'get' | 'post' | 'patch' | 'delete';

type Success = 200 | 201 | 202;

/** The JSON body of the good answer of a call, by the types of an OpenAPI document. */
export type BodyOfAnswer<Paths, Path extends keyof Paths, As extends Method> = Paths[Path] extends {
  readonly [Name in As]: { readonly responses: infer Responses };
}
  ? { [Status in keyof Responses]: Status extends Success ? BodyOf<Responses[Status]> : never }[keyof Responses]
  : never;

type BodyOf<Answer> = Answer extends { content: { 'application/json': infer Body } } ? Body : never;

/** The JSON body that a call takes. */
export type BodyOfCall<Paths, Path extends keyof Paths, As extends Method> = Paths[Path] extends {
  readonly [Name in As]: { readonly requestBody: { readonly content: { readonly 'application/json': infer Body } } };
}
  ? Body
  : never;
