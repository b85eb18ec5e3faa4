package ops

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Notices are what a source's repositories say of why a tree's versions came; nil where they say nothing.
func (s *System) Notices(ctx context.Context, source string, t *tree.Tree) (*tree.Notices, error) {
	if t.Notices.IsZero() {
		return nil, nil
	}
	body, kept, err := s.Record.Published(t.Notices.SHA256)
	if err != nil {
		return nil, err
	}
	if !kept {
		if body, err = s.published(ctx, source, t.Notices); err != nil {
			return nil, err
		}
	}
	n, err := tree.ParseNotices(body, s.Platform, t.Name)
	if err != nil && kept {
		return nil, s.Record.Damaged(err)
	}
	if err != nil {
		return nil, wire.Errorf(wire.RepoNotAvailable, "the source %s: %w", source, err)
	}
	if kept {
		return n, nil
	}
	return n, s.Record.KeepPublished(t.Notices.SHA256, body, nil)
}
