"""Operations on labs, through the engine of workers.services.operations: what is legal, the steps, and how they are asked for."""
