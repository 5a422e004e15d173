"""Records after their run: `reproduce` asks whether one is true, `rescoring` scores it by today's metrics, `submit` packs it for others."""
